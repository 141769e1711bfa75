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

#include "system/file_writer.hpp"
#include "system/heartbeat.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using namespace hpc_qlstm;

void define_system(nb::module_& m) {
    nb::class_<Heartbeat>(m, "Heartbeat", "A thread that says over a socket that the process lives.")
        .def("__init__",
             [](Heartbeat* self, int descriptor, std::string message, double period) {
                 const auto milliseconds = static_cast<std::int64_t>(1e3 * period);
                 new (self) Heartbeat(descriptor, std::move(message),
                                      std::chrono::milliseconds(milliseconds));
             },
             "descriptor"_a, "message"_a, "period"_a,
             "Send the message to a connected datagram socket every `period` seconds.");

    using Writer = FileWriter<>;
    nb::class_<Writer>(m, "FileWriter", "A thread that writes files, complete or not at all.")
        .def(nb::init<>())
        .def("start",
             [](Writer& writer, std::string folder, std::string temporary, std::string path,
                const nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig>& content,
                std::vector<std::string> retired) {
                 std::string bytes(reinterpret_cast<const char*>(content.data()), content.size());
                 return writer.start({std::move(folder), std::move(temporary), std::move(path),
                                      std::move(bytes), std::move(retired)});
             },
             "folder"_a, "temporary"_a, "path"_a, "content"_a, "retired"_a,
             "Begin to write a copy of the content; False while another file is under way.")
        .def_prop_ro("busy", &Writer::busy, "Whether a file is being written.")
        .def("wait",
             [](Writer& writer) {
                 const nb::gil_scoped_release unlocked;
                 const auto outcome = writer.wait();
                 return std::tuple{outcome.error, outcome.placed, outcome.cleanup, outcome.seconds};
             },
             "Wait for the file under way: errno or 0, whether the file has its name, errno of an "
             "old file that stays, and seconds.");
}
