"""Reading a config file and building what it says: one sentence for whatever goes wrong.

What is raised far inside OpenMMLab's ``build`` says what is wrong, but not where in the config; the
frames of the traceback know which part was being built.
"""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterator, Mapping, Sized
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any
from unittest import mock

from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.evaluator import BaseMetric
from mmengine.fileio.handlers import PickleHandler, yaml_handler
from mmengine.hooks import CheckpointHook
from mmengine.registry import OPTIMIZERS, VISBACKENDS, Registry
from mmengine.runner import BaseLoop
from mmengine.utils import import_modules_from_strings
from yaml import SafeLoader
from yaml.constructor import ConstructorError

from nasvit_mm.arguments import drops_the_rest, misfit, parameters_of
from nasvit_mm.config import config_parts, custom_imports
from nasvit_mm.errors import SURE, UsageError, closest, first_line, shown_value
from nasvit_mm.files import FULL

READ_BY = {  # methods of mmengine's runner -> the key of the config that they read
    'set_randomness': 'randomness',
    'setup_env': 'env_cfg',
    'build_logger': 'log_level',
    'build_visualizer': 'visualizer',
    'register_hooks': 'default_hooks',
    'register_default_hooks': 'default_hooks',
    'register_custom_hooks': 'custom_hooks',
    'build_log_processor': 'log_processor',
    'build_train_loop': 'train_cfg',
    'build_val_loop': 'val_cfg',
    'build_test_loop': 'test_cfg',
    'build_optim_wrapper': 'optim_wrapper',
    'scale_lr': 'auto_scale_lr',
    'build_param_scheduler': 'param_scheduler',
    'load_or_resume': 'load_from',
    'turn_on_activation_checkpointing': 'activation_checkpointing',
    'turn_on_efficient_conv_bn_eval': 'efficient_conv_bn_eval',
    '_maybe_compile': 'compile',
}
# Entries of a data set's `data_prefix` and `metainfo` that OpenMMLab's data sets read.
FOLDERS = ('img_path', 'seg_map_path', 'img', 'seg', 'img_path2', 'depth_map_path', 'sub_data_root')
METAINFO = ('classes', 'palette')
LONGEST = 400  # characters of a foreign message


# ---------------------------------------------------------------------- reading
@contextmanager
def plain_files() -> Iterator[None]:
    """Let mmengine read files, annotations too, as data: YAML without Python's tags, no pickles.

    Raises:
        ValueError: a file holds pickled objects.
    """
    with (
        mock.patch.object(yaml_handler, 'Loader', SafeLoader),
        mock.patch.object(PickleHandler, 'load_from_fileobj', _refuse_pickle),
    ):
        yield


def _refuse_pickle(self: PickleHandler, file: Any, **kwargs: Any) -> Any:
    raise ValueError(
        'a file of pickled objects (.pkl, .pickle), whose reading may run code: write it as JSON, '
        'by json.dump, where you trust it'
    )


def read_file(path: str | Path) -> Config:
    """Read a config file.

    Raises:
        UsageError: whatever goes wrong in it, in a sentence that names the file, and the line where
            it is known.
    """
    try:
        with plain_files():
            return Config.fromfile(path)
    except UsageError:
        raise
    except Exception as error:  # a config is a program: it may raise anything
        where = _line_of_config(error.__traceback__, Path(path))
        raise UsageError(f'config {path}{where}: {_what_is_read(error, path)}') from error


def _line_of_config(tb: TracebackType | None, path: Path) -> str:
    """Return where in the config, or in one that it inherits, the error was raised."""
    found = ''
    while tb is not None:
        name = Path(tb.tb_frame.f_code.co_filename)
        if (
            name.suffix == path.suffix
            and name.is_file()
            and tb.tb_frame.f_code.co_name == '<module>'
        ):
            inherited = '' if name.resolve() == path.resolve() else f'{name} '
            found = f' ({inherited}line {tb.tb_lineno})'
        tb = tb.tb_next
    return found


def _what_is_read(error: Exception, path: str | Path) -> str:
    if isinstance(error, RecursionError):
        return 'it is its own _base_, or a value holds itself'
    if isinstance(error, UnicodeDecodeError):
        return f'it is no text ({error.reason} at byte {error.start}); expected Python in UTF-8'
    if isinstance(error, OSError) and 'type are supported' in str(error):
        return f'{Path(path).suffix or "no suffix"}: expected a .py, .yml, .yaml or .json file'
    if type(error).__name__ == 'JSONDecodeError':
        return f'it is no JSON: {error}'
    if isinstance(error, ImportError):
        return _what_is_imported(error)
    return _words(error)


def import_custom_modules(cfg: Config) -> None:
    """Import what ``custom_imports`` names; of a file mmengine does so, but not of options given
    beside it.

    Raises:
        UsageError: no list of modules, or one whose import fails.
    """
    modules = custom_imports(cfg)
    if modules and cfg.custom_imports.get('allow_failed_imports'):
        import_modules_from_strings(modules, allow_failed_imports=True)
        return
    for name in modules:
        try:
            import_module(name)
        except Exception as error:  # a module may raise anything
            words = _what_is_imported(error) if isinstance(error, ImportError) else _words(error)
            raise UsageError(f'custom_imports: {words}') from error


def _what_is_imported(error: ImportError) -> str:
    """Tell a module that is not found from one that is, and fails."""
    root: BaseException = error
    while root.__context__ is not None:
        root = root.__context__
    if isinstance(root, ModuleNotFoundError) and f"'{root.name}" in str(error):
        return (
            f'{root}; start the command in the folder that holds the module, or name that folder '
            'in PYTHONPATH'
        )
    where = '' if root is error else f': {type(root).__name__}: {first_line(root)}'
    return f'{_words(error)}{where}'


# ---------------------------------------------------------------------- building
@contextmanager
def building(cfg: Config | Mapping[str, Any], prefix: str = '') -> Iterator[None]:
    """Turn what goes wrong while a config is built into one sentence.

    What a loop raises once a step is done passes: training is no building.

    Args:
        cfg: what is built.
        prefix: what its keys begin with in what the user wrote.

    Raises:
        UsageError: names the key of the config, what is wrong, and what is allowed where that is
            known.
    """
    try:
        with mock.patch.object(Registry, 'build', _build_checked):
            yield
    except UsageError:
        raise
    except Exception as error:
        frames = list(_frames(error.__traceback__))
        if 'Expected more than 1 value per channel when training' in str(error):
            raise UsageError(
                f'batch norm needs more than one value a channel ({error}): give '
                'train_dataloader.batch_size=2 or more, or keep norms as they are by norm_eval=True'
            ) from error
        full = isinstance(error, OSError) and error.errno in FULL
        loop = _running(frames)
        begun = loop is not None and getattr(loop, '_iter', 1) > 0
        if full or begun or type(error).__name__ == 'OutOfMemoryError':
            raise
        name = getattr(cfg, 'filename', None)
        places = [str(name)] if name else []
        if loop is not None:
            text = _what_fails_at_first(error, frames)
        else:
            where, frame = _part(cfg, frames)
            method = re.search(r'\bRunner\.(\w+)\(\)', str(error))
            where = where or READ_BY.get(method[1] if method else '', '')
            places += [f'{prefix}{where}'] if where else []
            text = _unknown_optimizer(error, frames) or _what_is_built(error, frame)
        raise UsageError(': '.join([*places, text]) if places else text) from error


def _check_part(registry: Registry, cfg: Mapping[str, Any]) -> None:
    name = cfg['type']
    if not isinstance(name, str) and not callable(name):
        raise ValueError(f'type = {shown_value(name)}, expected the name of a class')
    kind = registry.get(name) if isinstance(name, str) else name
    if not isinstance(kind, type):
        return
    _check_names(kind, cfg)
    for key, value in cfg.items():
        if value is None and registry is VISBACKENDS:
            continue  # mmengine's visualizer hands on a folder of its own that may be None
        expected = misfit(kind, key, value)
        if expected:
            raise ValueError(f'{key} = {shown_value(value)}, expected {expected}')


def _check_names(kind: type, cfg: Mapping[str, Any]) -> None:
    """Check names that a class takes and never reads, or only when its work is done."""
    if issubclass(kind, CheckpointHook) or (issubclass(kind, BaseMetric) and drops_the_rest(kind)):
        for key in cfg:
            if key != 'type' and key not in parameters_of(kind):
                raise ValueError(_no_argument(kind.__name__, key, list(parameters_of(kind))))
    if issubclass(kind, BaseDataset):
        prefix = parameters_of(kind).get('data_prefix')
        default = prefix.default if prefix is not None else None
        folders = default if isinstance(default, Mapping) else ()
        for part, known in (
            ('data_prefix', {*FOLDERS, *folders}),
            ('metainfo', {*METAINFO, *getattr(kind, 'METAINFO', ())}),
        ):
            given = cfg.get(part)
            for key in given if isinstance(given, Mapping) else ():
                near = '' if key in known else closest(key, known, SURE)
                if near:  # others may be read by the class, or by a transform
                    raise ValueError(f'{part} has {key}{near}')


_build = Registry.build


def _build_checked(registry: Registry, cfg: Any, *args: Any, **kwargs: Any) -> Any:
    """Build as ``Registry.build`` does, after a look at the types of the arguments."""
    if isinstance(cfg, Mapping) and 'type' in cfg and '_scope_' not in cfg:
        _check_part(registry, cfg)
    built = _build(registry, cfg, *args, **kwargs)
    indices = cfg.get('indices') if isinstance(cfg, Mapping) else None
    if isinstance(indices, int) and isinstance(built, Sized) and len(built) < indices:
        raise ValueError(f'indices = {indices}, but there are {len(built)}')
    return built


def _frames(tb: TracebackType | None) -> Iterator[FrameType]:
    while tb is not None:
        yield tb.tb_frame
        tb = tb.tb_next


def _running(frames: list[FrameType]) -> BaseLoop | None:
    """Return the loop that runs, None while everything is still being built."""
    for frame in frames:
        loop = frame.f_locals.get('self')
        if frame.f_code.co_name == 'run' and isinstance(loop, BaseLoop):
            return loop
    return None


def _what_fails_at_first(error: Exception, frames: list[FrameType]) -> str:
    """Say what the first step of a training runs into, which is the config's fault more often."""
    said = str(error).strip().splitlines()
    if 'Original Traceback (most recent call last):' in said:  # of a worker, its last line
        return f'the first batch cannot be read: {said[-1]} (--debug shows where)'
    own = [frame for frame in frames if 'self' in frame.f_locals]
    where = f'{type(own[-1].f_locals["self"]).__name__}.{own[-1].f_code.co_name}' if own else ''
    kind = type(error).__name__
    words = _words(error).removeprefix(f'{kind}: ')
    return f'the first step fails in {where}: {kind}: {words} (--debug shows where)'


def _unknown_optimizer(error: Exception, frames: list[FrameType]) -> str:
    """Say that there is no optimizer of a name: mmengine then calls None."""
    for frame in frames if 'is not a callable object' in str(error) else ():
        optimizer = getattr(frame.f_locals.get('self'), 'optimizer_cfg', None)
        if isinstance(optimizer, Mapping):
            name = optimizer.get('type')
            near = closest(name, _names(OPTIMIZERS))
            return f'optimizer.type = {name!r}{near}: no optimizer is registered by that name'
    return ''


def _part(cfg: Any, frames: list[FrameType]) -> tuple[str, FrameType | None]:
    """Return the dotted key of the innermost part that was being built, and the frame of it."""
    builder = None
    for frame in reversed(frames):
        name, here = frame.f_code.co_name, frame.f_locals
        if name in ('build_from_cfg', 'build_scheduler_from_cfg', '_build_checked'):
            builder = builder or frame
            where = _key_of(cfg, here.get('cfg'))
            if where:
                return where, builder
        elif name == 'build_dataloader':
            where = _key_of(cfg, here.get('dataloader'))
            if where:
                return where, builder
        elif name in READ_BY and ('self' not in here or hasattr(here['self'], 'work_dir')):
            return READ_BY[name], builder
    return '', builder


def _key_of(cfg: Any, part: Any) -> str:
    """Return the dotted key under which a config has a part: an equal one, or the most alike."""
    if not isinstance(part, Mapping):
        return ''
    best, found = 0, ''
    for where, node in config_parts(dict(cfg.items()), ''):
        if node is part:
            return where.removeprefix('.')
        if not where or node.get('type') != part.get('type'):
            continue
        try:
            same = sum(node[key] == part[key] for key in node if key in part)
            alike = same / max(len(node), 1)
        except (ValueError, RuntimeError):  # arrays have no truth value
            continue
        if alike > best:
            best, found = alike, where.removeprefix('.')
    return found if best >= 0.5 else ''


def _what_is_built(error: Exception, frame: FrameType | None) -> str:
    text, here = str(error), frame.f_locals if frame else {}
    miss = re.match(r"['\"]?(.+?) is not in the (?:\w+::)?([\w ]+) registry", text)
    if isinstance(error, KeyError) and miss:
        names = _names(here.get('registry'))
        return (
            f'type = {miss[1]!r}{closest(miss[1], names)}: no {miss[2]} is registered by '
            'that name; custom_imports names the module of one of your own'
        )
    if isinstance(error, KeyError) and 'must contain the key "type"' in text:
        return 'it has no type, expected dict(type=NAME, ...)'
    kind = here.get('obj_cls')
    extra = re.match(r"([\w.]+)\(\) got an unexpected keyword argument '(\w+)'", text)
    if isinstance(error, TypeError) and extra:
        whose = getattr(kind, '__name__', extra[1].removesuffix('.__init__'))
        return _no_argument(whose, extra[2], list(parameters_of(kind)) if kind else [])
    lacking = re.search(r'missing \d+ required (?:positional|keyword-only) arguments?: (.+)', text)
    if isinstance(error, TypeError) and lacking:
        return f'{getattr(kind, "__name__", "it")} needs {lacking[1]}'
    return _words(error)


def _no_argument(whose: str, name: str, allowed: list[str]) -> str:
    named = f'; it takes {", ".join(allowed)}' if allowed else ''
    return f'{whose} has no argument {name}{closest(name, allowed)}{named}'


def _words(error: Exception) -> str:
    """Say in plain words what Python says of a value of the wrong type; else what it says."""
    text = re.sub(r'\s+', ' ', str(error)).strip()
    for pattern, words in (
        (
            r".*'(\w+)' object has no attribute '(?:get|pop|items|keys|copy|update|type)'",
            r'a value of type \1 stands where dict(...) is expected',
        ),
        (
            r'.*argument after \*\* must be a mapping, not (\w+)',
            r'a value of type \1 stands where dict(...) is expected',
        ),
        (
            r"'\S+' not supported between instances of '(\w+)' and '(\w+)'",
            r'a \1 and a \2 cannot be compared: check the types of its values',
        ),
        (
            r"argument of type '(\w+)' is not (?:iterable|a container or iterable)",
            r'a value of type \1 stands where a text or list is expected',
        ),
        (r"'(\w+)' object is not iterable", r'a value of type \1 stands where a list is expected'),
        (
            'some parameters appear in more than one parameter group',  # torch, of RTMDet's heads
            'parts of the model share weights, which paramwise_cfg counts as often: set '
            'optim_wrapper.paramwise_cfg.bypass_duplicate=True',
        ),
        (
            r'(.+?) does not have a deterministic implementation, but you set .*',  # torch
            r'\1 has no deterministic kernel on this device: give randomness.deterministic=False, '
            'or a model that does without it',
        ),
        (
            'base_wd should not be None',  # mmengine
            'paramwise_cfg multiplies a weight decay that is not there: set '
            'optim_wrapper.optimizer.weight_decay',
        ),
        (r'dictionary update sequence element .*', 'a text stands where dict(...) is expected'),
        (
            r'.*\{.*\} in the child config but is of type <class .(\w+).> in base config.*',
            r'a dict stands where the inherited config has a value of type \1: add _delete_=True '
            'to the dict, so that it replaces the value',
        ),
    ):
        if re.fullmatch(pattern, text):
            return re.sub(pattern, words, text)
    if isinstance(error, ConstructorError) and error.problem_mark:
        tag = re.search(r"tag '(?:tag:yaml\.org,2002:)?(.+?)'", error.problem or '')
        where = f'line {error.problem_mark.line + 1}'
        return (
            f'{where}: the tag {tag[1] if tag else error.problem} makes objects: write plain values'
        )
    if isinstance(error, KeyError):
        return f'{text} is missing' if len(text) < 60 else text[:LONGEST]
    if isinstance(error, RecursionError):
        return 'a value holds itself'
    if isinstance(error, AssertionError) and not text:
        tb = error.__traceback__
        while tb is not None and tb.tb_next is not None:
            tb = tb.tb_next
        line = linecache.getline(tb.tb_frame.f_code.co_filename, tb.tb_lineno).strip() if tb else ''
        return f'expected {line.removeprefix("assert ")}' if line else 'a check failed'
    text = re.split(r'\.? (?:Please check whether|More details can)', text)[0]
    text = text if len(text) <= LONGEST else f'{text[: LONGEST - 3]}...'
    known = isinstance(error, (ValueError, AssertionError, ImportError, SyntaxError, RuntimeError))
    return text if known and text else f'{type(error).__name__}: {text}'.removesuffix(': ')


def _names(registry: Any) -> list[str]:
    """Return the names that a registry finds, those of other scopes with their scope."""
    if not isinstance(registry, Registry):
        return []
    registry.import_from_location()
    out, above = [], registry
    while above is not None:
        out += above.module_dict
        root, above = above, above.parent
    waiting = list(root.children.values())
    while waiting:
        below = waiting.pop()
        out += [f'{below.scope}.{name}' for name in below.module_dict]
        waiting += below.children.values()
    return out


def plain_words(error: Exception) -> str:
    """Return what an error says in one line, and in plain words where Python speaks of types."""
    return _words(error)
