"""The Pulumi program: load, plan, deploy, export."""

from pathlib import Path

import pulumi

from infra.stack import HearthStack, end_quietly_when_told, load_and_plan, outputs

end_quietly_when_told()
root = Path(__file__).parent
built = load_and_plan(root)
HearthStack(built, root)
for name, value in outputs(built).items():
    pulumi.export(name, value)
