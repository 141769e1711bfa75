// The LSTM cell and the gates' circuits of one process over the time steps of a batch, tied to the
// arrays that collectives send and fill: all work between two collectives is one call. The values
// are those of Cell and PartitionSweep, bit for bit. Knows neither Python nor MPI.
#pragma once

#include <cstddef>
#include <vector>

#include "lstm/cell.hpp"
#include "lstm/partition_sweep.hpp"

namespace hpc_qlstm {

// Arrays of the way forward, row-major; B samples, T steps, d_x inputs, d_h hidden units. The
// circuits fill `outputs` (4, B, width), of which an Allgather makes `gathered` (P, 4, B, width);
// part p has counts[p] outputs. state (B, d_h): h_t, for step t + 1. read: h_t of every step
// (T, B, d_h), or of the last alone. A single part needs no gathering: `gathered` is `outputs`.
struct CellForward {
    std::size_t threads = 1;
    const double* x = nullptr;
    std::size_t inputs = 0;
    const double* weights = nullptr;
    double* outputs = nullptr;
    std::size_t width = 0;
    const double* gathered = nullptr;
    std::vector<std::size_t> counts;
    double* state = nullptr;
    std::size_t hidden = 0;
    double* read = nullptr;
    bool sequence = false;
    bool updates = false;  // whether this process may update the cell
};

// Arrays of the way back. grad_read: gradient of `read`; rows (B, row_size): gradients of the local
// weights are added; grad_inputs (B, width): gradients of the circuits' inputs, gathered as (P, B,
// width). `columns` says where in v_t = [h_{t-1}, x_t] or [x_t, h_{t-1}] they are added; h_{t-1}
// begins there at `hidden_begin`, x_t at `inputs_begin`. cotangents (4, B, d_h): of the outputs.
// grad_x (B, T, d_x): gradient of the inputs, or null.
struct CellReverse {
    const double* grad_read = nullptr;
    double* rows = nullptr;
    std::size_t row_size = 0;
    double* grad_inputs = nullptr;
    std::size_t width = 0;
    const double* gathered = nullptr;
    const ColumnList* columns = nullptr;
    std::size_t hidden_begin = 0, inputs_begin = 0;
    double* cotangents = nullptr;
    double* grad_x = nullptr;
};

class CellSweep {
  public:
    // gates: must outlive this object; kernel: the cell's.
    CellSweep(PartitionSweep& gates, const Kernel& kernel) : gates_(gates), cell_(kernel, 0, 0) {}

    // Starts a sweep with the steps and samples of the gates' sweep; h_0 = 0.
    void start(CellForward arrays);
    // Outputs of step t from the state.
    void evaluate(std::size_t t);
    // The state after step t, and what is read of it, from the gathered outputs.
    void update(std::size_t t);
    // update(t - 1), and evaluate(t).
    void forward_step(std::size_t t);

    void start_back(const CellReverse& arrays);
    // Cotangents of step t's outputs, from what is read and from step t + 1.
    void cell_backward(std::size_t t);
    // Gradients of the weights and of the circuits' inputs at step t, from the cotangents.
    void reverse(std::size_t t);
    // Adds the gathered gradients up to that of v_t, for `cell_backward` of step t - 1 and grad_x.
    void scatter_input_gradients(std::size_t t);
    // scatter_input_gradients(t + 1), cell_backward(t) and reverse(t).
    void backward_step(std::size_t t);

    // After `start`: h_0 and c_0 (B, d_h) instead of zeros; c0 where this process updates the cell.
    void set_state(const double* h0, const double* c0);
    // c_T (B, d_h), after the last `update`.
    const double* state() const { return cell_.state(); }
    // After `start_back`: the cotangents of h_T and c_T (B, d_h) instead of zeros.
    void set_grad_state(const double* grad_h, const double* grad_c);
    // The cotangents of h_0 and c_0 (B, d_h), after the way back.
    void grad_state(double* grad_h, double* grad_c) const;

    std::size_t steps() const { return gates_.steps(); }
    bool updates() const { return in_.updates; }

  private:
    const double* merged();

    PartitionSweep& gates_;
    Cell cell_;
    CellForward in_;
    CellReverse back_;
    std::vector<double> z_, grad_v_, grad_state_;
};

}  // namespace hpc_qlstm
