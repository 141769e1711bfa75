/* The collectives of a time step and nothing else: what benchmarks/exchange.py compares with. */
#include <mpi.h>

/* Seconds of a step: an Allgather each way and, with broadcasts, a Bcast each way, of doubles. */
double bare_steps(int handle, int steps, int outputs, int inputs, int hidden,
                  int cotangents, double *send, double *receive, double *buffer) {
    MPI_Comm comm = MPI_Comm_f2c(handle);
    MPI_Barrier(comm);
    double begin = MPI_Wtime();
    for (int t = 0; t < steps; ++t) {
        MPI_Allgather(send, outputs, MPI_DOUBLE, receive, outputs, MPI_DOUBLE, comm);
        if (hidden > 0) MPI_Bcast(buffer, hidden, MPI_DOUBLE, 0, comm);
        if (cotangents > 0) MPI_Bcast(buffer, cotangents, MPI_DOUBLE, 0, comm);
        MPI_Allgather(send, inputs, MPI_DOUBLE, receive, inputs, MPI_DOUBLE, comm);
    }
    return (MPI_Wtime() - begin) / steps;
}
