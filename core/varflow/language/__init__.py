"""The workflow language: YAML in, checked and typed values out, and what gives expressions a value.

documents ──► editions ──► workflow (pydantic) + checks + syntax ──► Definitions   (loading)
expressions.parse ──► Template ──► evaluating ──► worker (a sandboxed process)
"""
