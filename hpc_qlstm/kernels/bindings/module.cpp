// The Python module hpc_qlstm._native.
#include "bindings/module.hpp"

NB_MODULE(_native, m) {
    m.doc() = "The compiled kernels: circuits, the LSTM cell, sums, and threads without Python.";
    hpc_qlstm::define_circuits(m);
    hpc_qlstm::define_cell(m);
    hpc_qlstm::define_sweeps(m);
    hpc_qlstm::define_sums(m);
    hpc_qlstm::define_system(m);
}
