"""A function in ten lines: counts the visits of each guest."""

from varflow_client import Context, FunctionError, serve


def welcome(context: Context) -> dict[str, object]:
    """Count a visit."""
    guest = context.input.get("guest")
    if not guest:
        raise FunctionError("visitors.nobody", "the input has no guest")
    key = f"visits-{guest}"
    visits = context.variables.update(key, lambda n: n + 1, scope="workflow", default=0)
    return {"greeting": f"Hello {guest}", "visits": visits}


serve(welcome)
