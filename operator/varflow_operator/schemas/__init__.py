"""The custom resource definitions in `crds/`, made from pydantic models. PURE.

language.workflow, variables, instances, statuses    models: fields, bounds, descriptions
    │ describing     pydantic's JSON schema, with what the sources say of each field
    ▼ structural     what a Kubernetes API server takes for a schema; unions by `merging`
definitions          with the `rules`, `columns` and names of each kind
    │ __main__       python -m varflow_operator.schemas FOLDER
    ▼
crds/*.yaml          checked in; a test compares them
"""
