"""Persistent variables: where they live, what may be done with them, and how they are kept.

scopes, keys, paths        which variable, and where its record lies           PURE
records, decisions         what lies there (`framing`)                         PURE
expiries, preconditions, conversions                                           PURE
pendings, claims, attempts, commits      many variables at one moment
contents, handles, writing, endings      values in, values out, the end of their lives
variables                  `Variables`: what everybody else uses
stores/                    narrow drivers over object storage
"""
