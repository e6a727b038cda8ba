"""Builds the wheel: the shared library is made with CMake from the checkout around this folder and put into the package.

HONE_LIBRARY=/path/to/libhone.so takes a library that is built already; CMAKE_ARGS is passed on to CMake.
"""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
NAME = "libhone.dylib" if sys.platform == "darwin" else "libhone.so"


def version():
    """The version is stated once, in the checkout's CMakeLists.txt."""
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    return re.search(r"project\(hone VERSION ([0-9.]+)", text).group(1)


def build_library(folder):
    folder.mkdir(parents=True, exist_ok=True)
    configure = ["cmake", "-S", ROOT, "-B", folder, "-DCMAKE_BUILD_TYPE=Release", "-DHONE_BUILD_SHARED=ON"]
    configure += [f"-DHONE_BUILD_{part}=OFF" for part in ("PROGRAM", "TESTS", "BENCH", "EXAMPLES")]
    if shutil.which("ninja"):
        configure += ["-G", "Ninja"]
    try:
        subprocess.run(configure + shlex.split(os.environ.get("CMAKE_ARGS", "")), check=True)
        subprocess.run(["cmake", "--build", folder, "--target", "hone_shared", "--parallel"], check=True)
    except FileNotFoundError:
        raise SystemExit("hone is built with CMake, which is not installed; 'scripts/bootstrap' installs what it needs")
    except subprocess.CalledProcessError:
        raise SystemExit("libhone could not be built (see above); 'scripts/bootstrap' installs what it needs")
    return next(folder.rglob(NAME))


class build_with_library(build_py):
    def run(self):
        super().run()
        given = os.environ.get("HONE_LIBRARY")
        scratch = self.get_finalized_command("build").build_temp
        library = pathlib.Path(given) if given else build_library(pathlib.Path(scratch).resolve() / "libhone")
        if not self.editable_mode:
            shutil.copyfile(library, pathlib.Path(self.build_lib) / "hone" / NAME)
        else:
            shutil.copyfile(library, HERE / "hone" / NAME)


class BinaryDistribution(Distribution):
    """The package has no extension module, but is of one platform all the same."""

    def has_ext_modules(self):
        return True


def platform_wheel():
    """A wheel for any Python 3 of this platform: nothing in it depends on the interpreter."""
    try:
        from setuptools.command.bdist_wheel import bdist_wheel
    except ImportError:
        try:
            from wheel.bdist_wheel import bdist_wheel
        except ImportError:
            return {}

    class wheel_of_platform(bdist_wheel):
        def get_tag(self):
            return "py3", "none", super().get_tag()[2]

    return {"bdist_wheel": wheel_of_platform}


setup(
    version=version(),
    cmdclass={"build_py": build_with_library, **platform_wheel()},
    distclass=BinaryDistribution,
)
