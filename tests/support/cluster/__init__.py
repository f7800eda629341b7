"""A real Kubernetes for tests, built from Go modules that are pinned here and run on this machine.

From what everything stands on to what tests see:

- `places`, `locks`: where things are kept, and who may change them; `system_packages`: what the
  operating system must bring; `commands`: how other programs are called
- `go_toolchain`, `builds`, `programs`: which programs there are, and how they come to be
- `processes`, `keeping`: how they are run, shared between test processes, and ended for certain
- `control_plane`: etcd, the API server and the controllers, for any user; enough for most tests
- `node` with `namespaces`, `networks`, `cgroups`, `containers`, `volumes`: pods that run, for root
- `s3_servers`: object stores; `archives`, `images`: what is loaded into a node
- `targets`: the cluster that end-to-end tests run against, which may also be somebody else's

Rejected: a fake API server (3,500 lines elsewhere, and no admission, no CEL, no conflicts of its
own); downloading released binaries (one more place that must be reachable, and no hash that a
lock of ours already has); kind and k3s as the only way (they need Docker and a registry).
"""
