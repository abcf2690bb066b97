"""Run once in the embedded Python, before all else: find mcplugin, torch and cffi.

Given are ``started_here`` (no Python was running before) and ``library`` (the path of
libmcplugin_torch_python). ``failure`` is what C reads afterwards: "" if everything was found.

The order is that of Python itself (PYTHONHOME, PYTHONPATH), then VIRTUAL_ENV, then the place where
this library is installed, then Python's own packages. Where Python was running already, its search
path is the business of whoever started it.
"""

import sys

failure = ""
warned = []
try:
    import os
    import signal
    import site
    import sysconfig
    import warnings

    if started_here:  # noqa: F821
        # To import signal, as torch does, takes a SIGINT that nobody handles yet; but a Ctrl-C is
        # meant for the host.
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)

        if os.environ.get("VIRTUAL_ENV"):
            base = {"base": os.environ["VIRTUAL_ENV"]}
            site.addsitedir(sysconfig.get_path("purelib", "venv", base))
        # <root>/mcplugin/native/lib/libmcplugin_torch_python.so
        root = os.path.abspath(os.path.join(library, *[os.pardir] * 4))  # noqa: F821
        if os.path.isdir(os.path.join(root, "mcplugin")):
            site.addsitedir(root)
        site.main()

    with warnings.catch_warnings(record=True) as warned:
        # Later imports of these can no longer fail. torch comes before mcplugin, whose own message
        # would hide why it does not load.
        import _cffi_backend  # noqa: F401
        import torch  # noqa: F401

        import mcplugin.samplers.gan  # noqa: F401
except BaseException as error:
    # The remedy comes before the reason, which may be long and be cut.
    failure = (
        f"Python {sys.version.split()[0]} of {sys.base_prefix}, embedded for torch, cannot load "
        "what it needs: set VIRTUAL_ENV or PYTHONPATH to where mcplugin is installed with torch "
        f"(pip install 'mcplugin[torch]'). {type(error).__name__}: {error}"
    )
    failure = " ".join([failure, *(str(warning.message) for warning in warned)])
    failure = " ".join(failure.split()).encode("utf-8", "backslashreplace").decode()
