"""Ansible inventories, read without Ansible, into the plain shape of `hearth:inventory`."""

from infra.inventory.reader import flatten, read_inventory
from infra.inventory.section import with_inventory
from infra.inventory.shape import is_own

__all__ = ["flatten", "is_own", "read_inventory", "with_inventory"]
