"""Files that are uploaded into containers as they are."""
