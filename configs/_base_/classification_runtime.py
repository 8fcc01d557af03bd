"""Runtime of every classification config, supernets included."""

_base_ = 'runtime.py'
default_scope = 'mmengine'
default_hooks = dict(check_data=dict(type='nasvit_mm.CheckData'))
