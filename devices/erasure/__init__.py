"""Erasure of a device or a customer: everything at all levels, a recount, and a certificate."""
