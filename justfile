# One word for each habit; `just --list` shows them. What stands behind each is a plain command.

# inspect the examples, as a station would
scan:
    uv run roentgate scan examples --output out

# what a change must pass
check:
    bash .ci/run

# tests alone
test *arguments:
    uv run --all-extras pytest {{arguments}}

# put files into the shape the linter wants
format:
    uv run --all-extras ruff format .
    uv run --all-extras ruff check --fix .

# make the examples anew
examples:
    uv run --all-extras python -m training.simulation examples

# train, export, calibrate and measure weights: just retrain DATA START "TERMS OF THE SCANS"
retrain data start terms run="runs/luggage":
    uv run --all-extras roentgate-train fit yolox-nano --data {{data}} --output {{run}} --set start={{start}}
    uv run --all-extras roentgate-train export {{run}} --output {{run}}/raw.onnx --name luggage --terms "{{terms}}"
    uv run --all-extras roentgate-train calibrate {{run}}/raw.onnx --data {{data}} --output {{run}}/luggage.onnx
    uv run --all-extras roentgate-train evaluate {{run}}/luggage.onnx --data {{data}} --split test --output {{run}}/test
