"""Persistent variables: where they live, what may be done with them, and how they are kept.

scopes, keys, paths        which variable, and where its record lies           PURE
records, framing           what lies there; expiries, conversions              PURE
handles, listings          values out
writes/                    values in: one by itself, or many at one moment
endings, copying           the end of their lives; one into another
variables                  `Variables`: what everybody else uses
stores/                    narrow drivers over object storage
encryption/                a store whose objects nobody else can read
probe/                     which promises hold over a store
sweep/                     what is wrong in a store, or nobody's any more
"""
