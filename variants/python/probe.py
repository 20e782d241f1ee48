"""What the smoke test of the image asks of Python: one line for each thing that works, an exception for what does not."""

import ctypes
import importlib
import os
import pathlib
import pkgutil
import platform
import re
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import warnings
import zoneinfo

# Modules that the image does not have, and why. One that can be imported after all is an error, so that the list stays true.
ABSENT = {
    "another system": """_msi _overlapped _scproxy _winapi asyncio.windows_events asyncio.windows_utils encodings.mbcs encodings.oem msilib msvcrt
        multiprocessing.popen_spawn_win32 nt winreg winsound""",
    "a window": "_tkinter idlelib tkinter turtle turtledemo",
    "GPL, a package of its own": "_gdbm dbm.gnu",
    "development, a package of its own": "ensurepip lib2to3",
}
# Modules that do something when they are imported.
NOISY = {"antigravity": "opens a browser", "this": "prints"}


def imports():
    """Imports every module of the standard library, and every module in its packages."""
    warnings.simplefilter("ignore")  # of deprecated modules
    absent = {name: why for why, names in ABSENT.items() for name in names.split()}
    done, met = 0, set()

    def one(name):
        nonlocal done
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            if name not in absent:
                raise AssertionError(f"importing {name}") from error
            met.add(name)
            return
        if name in absent:
            raise AssertionError(f"{name} can be imported, but should be absent: {absent[name]}")
        done += 1
        for child in pkgutil.iter_modules(getattr(module, "__path__", [])):
            if child.name != "__main__":
                one(f"{name}.{child.name}")

    for name in sorted(sys.stdlib_module_names - NOISY.keys()):
        one(name)
    if met != absent.keys():
        raise AssertionError(f"not met: {sorted(absent.keys() - met)}")
    if done < 500:
        raise AssertionError(f"only {done} modules")
    return f"{done} modules"


def tls():
    """Shakes hands over a pair of sockets: a client that trusts the authority, and one that trusts those of the image."""

    def handshake(client):
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain("/etc/server/server.pem", "/etc/server/server.key")
        ours, theirs = socket.socketpair()

        def serve():
            try:
                with server.wrap_socket(theirs, server_side=True) as connection:
                    connection.sendall(b"secret of " + connection.recv(100))
            except ssl.SSLError:
                pass

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with client.wrap_socket(ours, server_hostname="localhost") as connection:
                connection.sendall(b"the server")
                return connection.version(), connection.recv(100)
        finally:
            ours.close()
            thread.join()

    trusting = ssl.create_default_context(cafile="/etc/server/ca.pem")
    version, answer = handshake(trusting)
    assert answer == b"secret of the server", answer
    default = ssl.create_default_context()
    assert len(authorities()) > 100, "the image has no authorities"
    try:
        handshake(default)
    except ssl.SSLCertVerificationError:
        pass
    else:
        raise AssertionError("a certificate of an unknown authority is trusted")
    return f"{version}, {ssl.OPENSSL_VERSION.split()[0]}, authorities"


def authorities():
    """What OpenSSL trusts by default: certificates of a file, or a folder of them by the hash of their names."""
    paths = ssl.get_default_verify_paths()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if paths.cafile:
        context.load_verify_locations(cafile=paths.cafile)
    hashed = os.listdir(paths.capath) if paths.capath else []
    return context.get_ca_certs() + [name for name in hashed if re.fullmatch(r"[0-9a-f]{8}\.[0-9]", name)]


def shell():
    """A shell for subprocess with shell=True and for os.system, and the interpreter itself."""
    out = subprocess.run("echo $((6 * 7)) | { read x; echo got $x; }", shell=True, check=True, capture_output=True, text=True).stdout
    assert out == "got 42\n", out
    assert os.waitstatus_to_exitcode(os.system("exit 7")) == 7
    again = subprocess.run([sys.executable, "-c", "print('again')"], check=True, capture_output=True, text=True).stdout
    assert again == "again\n", again
    return out.strip()


def processes():
    """Processes of its own, which need semaphores in shared memory."""
    import multiprocessing

    with multiprocessing.get_context("fork").Pool(2) as pool:
        return str(sum(pool.map(abs, [-1, -2, 3])))


def foreign():
    """A function of the C library, and a timer of the system by it."""
    libc = ctypes.CDLL("libc.so.6", use_errno=True)
    assert libc.abs(-5) == 5
    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
    numbers = (ctypes.c_int * 3)(3, 1, 2)
    libc.qsort(numbers, 3, ctypes.sizeof(ctypes.c_int), compare(lambda a, b: a[0] - b[0]))
    timer = ctypes.c_void_p()
    assert libc.timer_create(1, None, ctypes.byref(timer)) == 0, os.strerror(ctypes.get_errno())
    return str(list(numbers))


def database():
    with sqlite3.connect(":memory:") as connection:
        return connection.execute("select upper('x') || json_extract('{\"a\": [1, 2]}', '$.a[1]')").fetchone()[0]


def files():
    """File names and text are UTF-8, whatever the locale is."""
    assert sys.getfilesystemencoding() == "utf-8", sys.getfilesystemencoding()
    assert sys.stdout.encoding.lower() == "utf-8", sys.stdout.encoding
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "Füße-日本")
        path.write_text("Größe", encoding="utf-8")
        assert os.listdir(os.fsencode(folder)) == ["Füße-日本".encode()]
        return path.read_text(encoding="utf-8")


def compression():
    import bz2
    import lzma
    import zlib

    data = b"slim" * 1000
    for module in (bz2, lzma, zlib):
        packed = module.compress(data)
        assert len(packed) < 200 and module.decompress(packed) == data, module
    return "bz2 lzma zlib"


def times():
    import datetime

    return datetime.datetime(2026, 8, 4, tzinfo=datetime.timezone.utc).astimezone(zoneinfo.ZoneInfo("Europe/Berlin")).isoformat()


def accounts():
    import pwd

    return " ".join(pwd.getpwnam(name).pw_dir for name in ("root", "nonroot"))


def no_pip():
    """Neither as a module nor as a program."""
    found = [name for name in ("pip", "setuptools", "wheel", "ensurepip") if importlib.util.find_spec(name)]
    found += [str(path) for folder in os.get_exec_path() for path in pathlib.Path(folder).glob("*pip*")]
    names = [str(path) for folder in os.get_exec_path() for path in pathlib.Path(folder).glob("python3*")]
    assert names, "the search for programs finds nothing"
    assert not found, found
    return "absent"


if __name__ == "__main__":
    for check in (imports, tls, shell, processes, foreign, database, files, compression, times, accounts, no_pip):
        print(f"{check.__name__}: {check()}", flush=True)
    print(f"python {platform.python_version()} on {platform.machine()}")
