"""Durable to-dos: put, claim, settle, give up."""
