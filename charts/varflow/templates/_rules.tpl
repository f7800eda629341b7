{{/* What the operator may do where workflows are: a ClusterRole's rules, or those of a Role in each watched namespace. */}}
{{- define "varflow.rules" -}}
- apiGroups: [varflow.dev]
  resources: [workflows, variables, workflowinstances]
  verbs: [get, list, watch, patch]
- apiGroups: [varflow.dev]
  resources: [workflowinstances]
  verbs: [create]
- apiGroups: [varflow.dev]
  resources: [workflows/status, variables/status, workflowinstances/status]
  verbs: [update, patch]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [controllerrevisions]
  verbs: [get, list, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
# By name only: workflows and variables say which. The operator never sees which others there are.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create, patch, delete]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{/* Binds a role of the same name to the operator. Takes (dict "root" . "kind" "Role" "name" ... "namespace" ...). */}}
{{- define "varflow.binding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}Binding
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "varflow.labels" (dict "root" .root "component" "operator") | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .kind }}
  name: {{ .name }}
subjects:
- kind: ServiceAccount
  name: {{ include "varflow.serviceAccount" .root }}
  namespace: {{ .root.Release.Namespace }}
{{- end -}}
