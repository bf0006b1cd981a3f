"""Reads the lock files and writes a release's bill of materials, licences and known vulnerabilities."""
