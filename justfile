# All that CI checks, but for the parts that need its engines.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
    cargo deny check bans licenses sources
    shellcheck .ci/run .ci/torture examples/ala-medical/build-images examples/ala-medical/images/postgres/build
    cargo test --workspace

# Mends what can be mended by a machine.
fix:
    cargo fmt --all
    cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged

# The command that the README names; where a Docker engine answers, on it too.
test:
    cargo test --workspace

# Times promotions side by side with what a script does, which needs a Docker engine, and the ledger.
bench:
    cargo bench --workspace --bench ledger --bench promotion

# Every fault of every scenario, in memory and on the engines that answer; takes hours, and writes its figures into
# docs/reliability.md.
torture:
    .ci/torture
