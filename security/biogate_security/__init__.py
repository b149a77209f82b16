"""Identities, certificates, policy and audit trail."""
