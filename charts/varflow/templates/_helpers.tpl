{{- define "varflow.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "varflow.operator" -}}
{{ include "varflow.fullname" . }}-operator
{{- end -}}

{{- define "varflow.s3" -}}
{{ include "varflow.fullname" . }}-s3
{{- end -}}

{{- define "varflow.serviceAccount" -}}
{{- if .Values.operator.serviceAccount.create -}}
{{- .Values.operator.serviceAccount.name | default (include "varflow.operator" .) -}}
{{- else -}}
{{- required "operator.serviceAccount.name is needed when operator.serviceAccount.create is false" .Values.operator.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* What selects the pods of one component. These three take (dict "root" . "component" "operator"). */}}
{{- define "varflow.selector" -}}
app.kubernetes.io/name: varflow
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Labels of the component's pods: without the version, so that a release that changes nothing else leaves the store alone. */}}
{{- define "varflow.podLabels" -}}
{{ include "varflow.selector" . }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "varflow.labels" -}}
{{ include "varflow.podLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* An image's name. Takes (dict "root" . "image" .Values.operator.image). */}}
{{- define "varflow.image" -}}
{{- with .image.registry }}{{ . }}/{{ end -}}
{{- .image.repository -}}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag | default .root.Chart.AppVersion }}{{ end -}}
{{- end -}}

{{/* The store's URL, as the sidecars and the CLI have it. */}}
{{- define "varflow.store" -}}
{{- $s3 := .Values.store.s3 -}}
{{- $query := list -}}
{{- if .Values.store.embedded.enabled -}}
{{- if or $s3.endpoint $s3.prefix $s3.existingSecret -}}
{{- fail "store.s3.endpoint, prefix and existingSecret are for S3 of your own: set store.embedded.enabled=false" -}}
{{- end -}}
{{- $query = append $query (printf "endpoint=http://%s.%s.svc:7070" (include "varflow.s3" .) .Release.Namespace) -}}
{{- else if not $s3.bucket -}}
{{- fail "store.s3.bucket is needed when store.embedded.enabled is false" -}}
{{- else if $s3.endpoint -}}
{{- $query = append $query (printf "endpoint=%s" $s3.endpoint) -}}
{{- end -}}
{{- $query = append $query (printf "region=%s" $s3.region) -}}
{{- if not (kindIs "invalid" $s3.pathStyle) -}}
{{- $query = append $query (printf "pathStyle=%t" $s3.pathStyle) -}}
{{- end -}}
{{- with .Values.store.history }}{{ $query = append $query (printf "history=%d" (int .)) }}{{ end -}}
s3://{{ $s3.bucket | default "varflow" }}{{ with $s3.prefix }}/{{ . }}{{ end }}?{{ join "&" $query }}
{{- end -}}

{{/* What is encrypted: on, off, or migrate. */}}
{{- define "varflow.encryption" -}}
{{- if not .Values.encryption.enabled }}off{{ else if .Values.encryption.acceptPlain }}migrate{{ else }}on{{ end -}}
{{- end -}}

{{/* The Secret with the store's credentials; empty: the AWS SDK finds them. */}}
{{- define "varflow.storeSecret" -}}
{{- if .Values.store.embedded.enabled }}{{ include "varflow.s3" . }}{{ else }}{{ .Values.store.s3.existingSecret }}{{ end -}}
{{- end -}}
