"""Runtime of every classification config, supernets included."""
_base_ = 'runtime.py'
default_scope = 'mmengine'
