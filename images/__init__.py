"""The images that Hearth builds from packages, for machines that reach no container registry."""
