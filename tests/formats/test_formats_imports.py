import subprocess
import sys


def test_the_formats_are_had_without_torch_and_without_what_is_above_them():
    program = (
        "import sys, explorer.formats as formats\n"
        "formats.get('tf32').quantize([0.1], 'stochastic', rng=0); formats.catalogue()\n"
        "print(sorted({'torch', 'gradio', 'ipywidgets', 'jax'} & set(sys.modules)))\n"
        "print(sorted(m for m in sys.modules if m.startswith('explorer.') and not m.startswith('explorer.formats')))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.split("\n")[:2] == ["[]", "['explorer.errors']"]
