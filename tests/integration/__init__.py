"""Tests of several parts together: real processes, real servers, one machine."""
