"""The data plane: what stands beside each function.

    control plane ──:8890──► actions ─► execution ─► function :8080
                                │            │ mounts, out/
    function ──127.0.0.1:8889──► /var /log   ▼
                                └────────► Variables ─► object store

`__main__` reads the settings, `process` is the life of a pod's sidecar, `sidecar` puts one
together. `actions` knows what runs, and `execution` is the order of one action (design.md §5), with
`function` and `answers` for the call. `web/` is all that speaks HTTP to others, `files/` all that
touches an action's temp dir: `folders`, `mounting`, `outputs` and what these stand on.

A program that is no pod, such as the local shell, embeds it:

    variables = Variables(store, writer="varflow run")          # opened by the program
    functions = {"greeter": Endpoint(port=4711)}                # may change while it runs
    settings = SidecarSettings(shared_dir="/tmp/run-1")
    async with Sidecar.open(variables, functions, settings=settings, log=my_sink) as sidecar:
        sockets = serving.bind(8889, hosts=serving.LOOPBACK)    # or sockets of its own
        async with serving.serve(create_variable_app(sidecar), sockets):
            outcome = await sidecar.actions.run(dispatch)       # attaches when the id runs already
            sidecar.actions.cancel(dispatch.action_id)          # from elsewhere: run() then returns

`run` raises only for a dispatch that cannot be taken (`InvalidInput`, `StaleEpoch`); whatever
happens to the action is in its `Outcome`. Leaving the context breaks off what still runs. This
package imports no kopf, kubernetes, pydantic, language or engine: a sidecar starts in half a second
and stays below 48 MiB.
"""
