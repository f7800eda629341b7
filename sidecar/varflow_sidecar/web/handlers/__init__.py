"""HTTP handlers: parse, call, render. What they call knows no HTTP."""
