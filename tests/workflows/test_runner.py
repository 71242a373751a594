"""The interpreter that runs this repository's workflows in tests, on small workflows of its own."""

from pathlib import Path
from textwrap import dedent, indent

import pytest

from tests.workflows.machine import UnsupportedError, read_pairs
from tests.workflows.runner import JobResult, Runner

HEAD = """\
name: tiny
on:
  workflow_dispatch:
    inputs:
      word:
        default: hello
defaults:
  run:
    shell: bash
jobs:
"""


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    source = tmp_path / "source"
    source.mkdir()
    (source / "README.md").write_text("read me\n")
    return Runner(source=source, folder=tmp_path / "github", limit_s=20)


def run(runner: Runner, jobs: str) -> dict[str, list[JobResult]]:
    file = runner.folder.parent / "tiny.yml"
    file.write_text(HEAD + indent(dedent(jobs), "  "))
    return runner.run(file)


def one_job(runner: Runner, steps: str, **keys: str) -> JobResult:
    more = "".join(f"  {key}: {value}\n" for key, value in keys.items())
    jobs = f"only:\n  runs-on: x\n{more}  steps:\n" + indent(dedent(steps), "    ")
    return run(runner, jobs)["only"][0]


def test_outputs_go_from_step_to_step_and_from_job_to_the_jobs_of_a_matrix(
    runner: Runner,
) -> None:
    results = run(
        runner,
        """\
        plan:
          runs-on: x
          outputs:
            matrix: ${{ steps.list.outputs.matrix }}
          steps:
            - id: list
              run: |
                echo 'matrix={"include": [{"shard": 0}, {"shard": 1}]}' >> "$GITHUB_OUTPUT"
            - env:
                SEEN: ${{ steps.list.outputs.matrix }}
              run: echo "$SEEN"
        work:
          needs: plan
          runs-on: x
          strategy:
            fail-fast: false
            matrix: ${{ fromJSON(needs.plan.outputs.matrix) }}
          steps:
            - env:
                SHARD: ${{ matrix.shard }}
              run: echo "shard $SHARD"
        """,
    )
    assert results["plan"][0].steps[1].stdout.startswith('{"include"')
    assert [job.steps[0].stdout for job in results["work"]] == ["shard 0\n", "shard 1\n"]


def test_a_script_stops_at_the_first_command_that_fails_in_a_pipe_too(runner: Runner) -> None:
    job = one_job(runner, "- run: |\n    false | true\n    echo after")
    assert job.result == "failure"
    assert "after" not in job.steps[0].stdout


def test_without_a_named_shell_a_pipe_hides_a_failure_as_on_github(tmp_path: Path) -> None:
    file = tmp_path / "w.yml"
    file.write_text(
        "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: false | true\n"
    )
    runner = Runner(source=tmp_path, folder=tmp_path / "github")
    assert runner.run(file)["a"][0].result == "success"


def test_after_a_failure_only_steps_and_jobs_run_that_ask_for_it(runner: Runner) -> None:
    results = run(
        runner,
        """\
        first:
          runs-on: x
          steps:
            - run: exit 3
            - run: echo no
            - if: ${{ !cancelled() }}
              run: echo yes
        next:
          needs: first
          runs-on: x
          steps: []
        last:
          needs: [first, next]
          if: ${{ !cancelled() && needs.first.result == 'failure' }}
          runs-on: x
          steps: []
        """,
    )
    assert [step.result for step in results["first"][0].steps] == ["failure", "skipped", "success"]
    assert [results[name][0].result for name in ("next", "last")] == ["skipped", "success"]


def test_nothing_of_the_machine_that_runs_the_tests_is_in_the_environment(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_developer")
    job = one_job(runner, "- run: env", env="{WORD: '${{ inputs.word }}'}")
    names = {line.partition("=")[0] for line in job.steps[0].stdout.splitlines()}
    assert "WORD=hello\n" in job.steps[0].stdout
    assert names - {"PWD", "SHLVL", "_", "OLDPWD"} == {
        *("PATH", "LANG", "HOME", "CI", "WORD", "RUNNER_TEMP"),
        *("GITHUB_ACTIONS", "GITHUB_WORKSPACE", "GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH"),
        "GITHUB_STEP_SUMMARY",
    }


def test_a_job_that_names_no_environment_sees_no_secret(runner: Runner) -> None:
    runner.secrets = {"TOKEN": "hf_secret"}
    steps = '- env:\n    TOKEN: ${{ secrets.TOKEN }}\n  run: echo "[$TOKEN]"'
    assert one_job(runner, steps).steps[0].stdout == "[]\n"
    assert one_job(runner, steps, environment="safe").steps[0].stdout == "[hf_secret]\n"


def test_variables_and_paths_that_a_step_adds_are_there_in_the_next(runner: Runner) -> None:
    job = one_job(
        runner,
        """\
        - run: |
            mkdir bin && printf '#!/bin/sh\\necho ours\\n' > bin/tool && chmod +x bin/tool
            echo "$PWD/bin" >> "$GITHUB_PATH"
            printf 'LINES<<END\\none\\ntwo\\nEND\\n' >> "$GITHUB_ENV"
        - run: tool && echo "$LINES"
        """,
    )
    assert job.steps[1].stdout == "ours\none\ntwo\n"


def test_checkout_and_artifacts_copy_files_between_machines(runner: Runner) -> None:
    results = run(
        runner,
        """\
        make:
          runs-on: x
          steps:
            - uses: actions/checkout@v6
            - run: mkdir -p out/deep out/.hidden && cp README.md out/deep/ && touch out/.hidden/x
            - uses: actions/upload-artifact@v7
              with: {name: shard-0, path: out, overwrite: true}
            - uses: actions/upload-artifact@v7
              with: {name: other, path: out}
        take:
          needs: make
          runs-on: x
          steps:
            - uses: actions/download-artifact@v8
              with: {pattern: "{shard-*,other}", path: all}
            - uses: actions/download-artifact@v8
              with: {name: shard-0, path: one}
            - run: find . -type f | sort
        """,
    )
    assert results["take"][0].steps[2].stdout.split() == [
        "./all/other/deep/README.md",
        "./all/shard-0/deep/README.md",
        "./one/deep/README.md",
    ]


def test_an_artifact_that_fits_alone_gets_no_folder_and_that_none_fits_is_no_error(
    runner: Runner,
) -> None:
    job = one_job(
        runner,
        """\
        - run: mkdir out && touch out/x
        - uses: actions/upload-artifact@v7
          with: {name: shard-0, path: out}
        - uses: actions/download-artifact@v8
          with: {pattern: shard-*, path: all}
        - uses: actions/download-artifact@v8
          with: {pattern: none-*, path: none}
        - run: find all -type f && ls
        """,
    )
    assert job.result == "success"
    assert job.steps[4].stdout.split() == ["all/x", "all", "out"]


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (
            "{uses: actions/upload-artifact@v7, "
            "with: {name: a, path: none, if-no-files-found: error}}",
            "no files were found",
        ),
        ("{uses: actions/download-artifact@v8, with: {name: a, path: b}}", "no artifact named a"),
    ],
)
def test_an_action_that_fails_on_github_fails_here(runner: Runner, step: str, reason: str) -> None:
    job = one_job(runner, f"- {step}")
    assert job.result == "failure"
    assert reason in job.steps[0].stderr


def test_the_cache_outlives_a_run_and_the_newest_entry_is_restored(runner: Runner) -> None:
    steps = """\
    - uses: actions/cache/restore@v5
      with: {path: ledger, key: "ledger-${{ github.run_id }}", restore-keys: ledger-}
    - run: |
        mkdir -p ledger
        echo pass >> ledger/passes
        cat ledger/passes
    - uses: actions/cache/save@v5
      with: {path: ledger, key: "ledger-${{ github.run_id }}"}
    """
    said = [one_job(runner, steps).steps[1].stdout.split() for _ in range(3)]
    assert [len(passes) for passes in said] == [1, 2, 3]


def test_a_step_can_be_replaced_by_name(runner: Runner) -> None:
    runner.replaced = {"Install": "echo installed > done"}
    job = one_job(runner, "- name: Install\n  run: exit 1\n- run: cat done")
    assert job.steps[1].stdout == "installed\n"


def test_a_step_that_hangs_is_killed_and_fails(runner: Runner) -> None:
    runner.limit_s = 0.5
    job = one_job(runner, "- run: sleep 20 | cat")
    assert (job.result, job.steps[0].stderr) == ("failure", "killed after 0.5 s")


def test_a_job_that_runs_out_of_time_is_cancelled_and_only_what_always_runs_runs(
    runner: Runner,
) -> None:
    runner.job_limits_s = {"first": 0.5}
    results = run(
        runner,
        """\
        first:
          runs-on: x
          steps:
            - run: sleep 20
            - run: echo no
            - if: ${{ !cancelled() }}
              run: echo no
            - if: always()
              run: echo yes
        last:
          needs: first
          if: ${{ !cancelled() && needs.first.result == 'cancelled' }}
          runs-on: x
          steps: []
        """,
    )
    (first,), (last,) = results["first"], results["last"]
    assert first.result == "cancelled"
    assert [step.result for step in first.steps] == ["failure", "skipped", "skipped", "success"]
    assert last.result == "success", "the run itself is not cancelled"


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ("- {run: x, continue-on-error: true}", "continue-on-error"),
        ("- {run: x, shell: pwsh}", "pwsh"),
        ("- {uses: someone/action@v1}", "someone/action"),
        ("- {uses: actions/checkout@v6, with: {path: elsewhere}}", "path"),
        ("- {uses: actions/upload-artifact@v7, with: {name: a, path: '*.txt'}}", r"\*\.txt"),
        ("- {uses: actions/upload-artifact@v7, with: {name: a, path: ../..}}", r"\.\./\.\."),
    ],
)
def test_what_the_interpreter_does_not_know_it_refuses(
    runner: Runner, steps: str, reason: str
) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        one_job(runner, steps)


def test_lines_of_an_output_file_are_read_as_the_runner_does() -> None:
    assert read_pairs("a=1=2\n\nb<<END\nx=1\n\nEND\n") == {"a": "1=2", "b": "x=1\n"}
    with pytest.raises(UnsupportedError, match="neither"):
        read_pairs("words\n")
    with pytest.raises(UnsupportedError, match="does not end"):
        read_pairs("a<<END\nwords\n")


def test_a_composite_action_gets_inputs_and_must_name_its_shells(
    runner: Runner, tmp_path: Path
) -> None:
    action = tmp_path / "action.yml"
    body = """\
    inputs:
      model: {required: true}
      send: {default: "false"}
    runs:
      using: composite
      steps:
        - shell: bash
          env: {MODEL: "${{ inputs.model }}", SEND: "${{ inputs.send }}"}
          run: echo "$MODEL $SEND"
    """
    action.write_text(dedent(body))
    runner.inputs = {"model": "me/model; rm -rf /"}
    assert runner.run_action(action).steps[0].stdout == "me/model; rm -rf / false\n"
    action.write_text(dedent(body).replace("- shell: bash\n      env", "- env"))
    with pytest.raises(UnsupportedError, match="shell"):
        runner.run_action(action)
