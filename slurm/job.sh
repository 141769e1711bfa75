# The frame of all job scripts: start the ranks, hand the warning on, requeue until done. Sourced.
#
# Slurm sends USR1 to the batch shell some time before the limit (#SBATCH --signal=B:USR1@120). The
# shell waits for the ranks in the background, so that it can hand the signal on; the ranks stop
# together at a checkpoint and end with exit code 75; then the job is put back into the queue and goes
# on from there. Any other exit code is the job's.

# shellcheck source=slurm/site.sh
. "$HPC_QLSTM_SLURM/site.sh"
if [ -f "$HPC_QLSTM_ENV/bin/activate" ]; then
    # shellcheck disable=SC1091
    . "$HPC_QLSTM_ENV/bin/activate"
fi
export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
# The program refuses to start when MPI's world has another size: one job, not so many copies of it.
export HPC_QLSTM_RANKS=$SLURM_NTASKS

# Becomes the launcher: call it in the background, so that signals to that process reach it.
start_ranks() {
    case $HPC_QLSTM_LAUNCHER in
        mpirun)
            # shellcheck disable=SC2086
            exec mpirun -n "$SLURM_NTASKS" $HPC_QLSTM_MPIRUN_OPTIONS "$@"
            ;;
        srun) exec srun --mpi="$HPC_QLSTM_SRUN_MPI" "$@" ;;
        *)
            echo "error: HPC_QLSTM_LAUNCHER is '$HPC_QLSTM_LAUNCHER', allowed: mpirun, srun" >&2
            return 2
            ;;
    esac
}

# run_until_done COMMAND [ARGUMENT ...]: never returns. In a job array %a in an argument is the
# task's number: --set training.seed=%a --set output.run_dir=runs/seed-%a.
run_until_done() {
    local status=0 ranks
    start_ranks "${@//%a/${SLURM_ARRAY_TASK_ID:-0}}" &
    ranks=$!
    trap 'echo "USR1: asking the ranks to stop"; kill -USR1 "$ranks" || true' USR1
    while :; do
        wait "$ranks" && status=0 || status=$?
        # A signal ends wait too; the ranks may still be there.
        kill -0 "$ranks" 2>/dev/null || break
    done
    wait "$ranks" && status=0 || status=$?
    if [ "$status" = 75 ]; then
        echo "stopped at a checkpoint, back into the queue (restart ${SLURM_RESTART_COUNT:-0} is over)"
        if scontrol requeue "$SLURM_JOB_ID"; then
            sleep 60 # Slurm ends this shell
        fi
    fi
    exit "$status"
}
