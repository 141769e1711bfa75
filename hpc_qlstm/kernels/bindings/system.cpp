// Bindings of what the package needs threads without Python for: signs of life, and files.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings/module.hpp"
#include "system/file_writer.hpp"
#include "system/heartbeat.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace hpc_qlstm {
namespace {

using Bytes = nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig>;
using Writer = FileWriter<>;

void make_heartbeat(Heartbeat* self, int descriptor, std::string message, double period) {
    const auto milliseconds = static_cast<std::int64_t>(1e3 * period);
    new (self) Heartbeat(descriptor, std::move(message), std::chrono::milliseconds(milliseconds));
}

bool start(Writer& writer, std::string folder, std::string temporary, std::string path,
           const Bytes& content, std::vector<std::string> retired) {
    FileJob job;
    job.folder = std::move(folder);
    job.temporary = std::move(temporary);
    job.path = std::move(path);
    job.content.assign(reinterpret_cast<const char*>(content.data()), content.size());
    job.retired = std::move(retired);
    return writer.start(std::move(job));
}

std::tuple<int, bool, int, double> wait(Writer& writer) {
    const nb::gil_scoped_release unlocked;
    const FileOutcome outcome = writer.wait();
    return {outcome.error, outcome.placed, outcome.cleanup, outcome.seconds};
}

}  // namespace

void define_system(nb::module_& m) {
    nb::class_<Heartbeat>(m, "Heartbeat",
                          "A thread that says over a socket that the process lives.")
        .def("__init__", &make_heartbeat, "descriptor"_a, "message"_a, "period"_a,
             "Send the message to a connected datagram socket every `period` seconds.");
    nb::class_<Writer>(m, "FileWriter", "A thread that writes files, complete or not at all.")
        .def(nb::init<>())
        .def("start", &start, "folder"_a, "temporary"_a, "path"_a, "content"_a, "retired"_a,
             "Begin to write a copy of the content; False while another file is under way.")
        .def_prop_ro("busy", &Writer::busy, "Whether a file is being written.")
        .def("wait", &wait,
             "Wait for the file under way: errno or 0, whether the file has its name,\n"
             "errno of an old file that stays, and seconds.");
}

}  // namespace hpc_qlstm
