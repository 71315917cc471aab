"""Whether the hosts of a stack can run it: asked over their own connections, told with the fix.

`infra.doctor.command` is the command, `infra.doctor.cache` what a preview reads. Nothing is imported here: a preview pays
for the cache alone.
"""
