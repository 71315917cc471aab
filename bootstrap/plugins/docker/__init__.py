"""A small stand-in for the official docker resource plugin, for machines that cannot download it.

It speaks the schema of pulumi-docker 5.2 for the resource types and inputs that Hearth uses: Network, Volume, RemoteImage and Container.
Anything else is refused with the advice to install the official plugin, which always wins when it is there.
"""

VERSION = "5.2.0"
"""The release of the official plugin whose schema is spoken here."""

OFFICIAL = "pulumi plugin install resource docker v" + VERSION
"""What brings the official plugin, named in every refusal."""
