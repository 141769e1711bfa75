// Files are complete or not there, whatever system call fails, and in whatever order threads come.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "system/file_writer.hpp"

namespace {

using namespace hpc_qlstm;

int failures = 0;

void check(bool holds, const std::string& what) {
    if (!holds) {
        std::printf("FAILED: %s\n", what.c_str());
        ++failures;
    }
}

// A file system that records what is asked of it, and refuses the n-th call.
struct Recorder {
    inline static std::vector<std::string> calls;
    inline static int refuse = -1;
    inline static int with = EIO;
    inline static std::size_t most = 1000;  // bytes of one write
    inline static bool interrupted = false;

    static bool refused(const std::string& call) {
        calls.push_back(call);
        if (static_cast<int>(calls.size()) - 1 != refuse) return false;
        errno = with;
        return true;
    }
    static int open(const char* path, int) { return refused(std::string("open ") + path) ? -1 : 7; }
    static ssize_t write(int, const void* bytes, std::size_t size) {
        if (interrupted) {
            interrupted = false;
            errno = EINTR;
            return -1;
        }
        const std::size_t taken = std::min(size, most);
        if (refused("write " + std::string(static_cast<const char*>(bytes), taken))) return -1;
        return static_cast<ssize_t>(taken);
    }
    static int fsync(int) { return refused("fsync") ? -1 : 0; }
    static int close(int) { return refused("close") ? -1 : 0; }
    static int rename(const char* from, const char* to) {
        return refused(std::string("rename ") + from + " " + to) ? -1 : 0;
    }
    static int unlink(const char* path) { return refused(std::string("unlink ") + path) ? -1 : 0; }

    static FileOutcome run(int refused_call, int error = EIO) {
        calls.clear();
        refuse = refused_call;
        with = error;
        return replace_file<Recorder>({"d", "d/.new", "d/new", "content", {"d/old", "d/older"}});
    }
};

using Calls = std::vector<std::string>;

void test_order() {
    const Calls expected = {"open d/.new",         "write content", "fsync", "close",
                            "rename d/.new d/new", "open d",        "fsync", "close",
                            "unlink d/old",        "unlink d/older"};
    check(Recorder::run(-1).error == 0, "no error");
    check(Recorder::calls == expected, "written, synced, renamed, directory synced, old ones gone");

    for (int n = 0; n < 10; ++n) {
        const FileOutcome outcome = Recorder::run(n);
        check((n < 8 ? outcome.error : outcome.cleanup) == EIO,
              "call " + std::to_string(n) + " is reported");
        check(outcome.placed == (n > 4), "whether it is there is told");
        const Calls& calls = Recorder::calls;
        const bool renamed = std::count(calls.begin(), calls.end(), "rename d/.new d/new") != 0;
        const bool dropped = std::count(calls.begin(), calls.end(), "unlink d/.new") != 0;
        const bool retired = std::count(calls.begin(), calls.end(), "unlink d/old") != 0;
        check(renamed == (n >= 4), "renamed when it is whole on the disk, and only then");
        check(dropped == (n <= 4), "nothing is left over");
        check(retired == (n >= 8), "old ones go only when the new one is durable");
        const auto opened = std::count(calls.begin(), calls.end(), "open d/.new");
        const auto closed = std::count(calls.begin(), calls.end(), "close");
        check(n == 0 || closed >= opened, "the file is closed");
    }
    check(Recorder::run(8, ENOENT).cleanup == 0, "an old one that is gone already is no error");
    check(Recorder::run(6, EINVAL).error == 0, "a directory without fsync is no error");
    check(Recorder::calls.size() == 10, "and old ones go");
}

void test_short_and_interrupted_writes() {
    Recorder::most = 3;
    Recorder::interrupted = true;
    check(Recorder::run(-1).error == 0, "no error");
    const Calls expected = {"write con", "write ten", "write t"};
    const Calls written(Recorder::calls.begin() + 1, Recorder::calls.begin() + 4);
    check(written == expected, "all bytes are written");
    Recorder::most = 0;
    check(Recorder::run(-1).error == ENOSPC, "a write of nothing is no endless loop");
    Recorder::most = 1000;
}

void test_thread(const std::string& folder) {
    std::string content(100000, 'x');
    {
        FileWriter<> writer;
        check(writer.wait().error == 0, "nothing to wait for");
        for (int n = 0; n < 50; ++n) {
            content[0] = static_cast<char>('a' + n % 26);
            std::vector<std::string> old;
            if (n > 1) old.push_back(folder + "/file-" + std::to_string(n - 2));
            const std::string name = folder + "/file-" + std::to_string(n);
            const bool taken = writer.start({folder, folder + "/.new", name, content, old});
            check(taken, "takes a job");
            writer.busy();
            check(writer.wait().error == 0, "written");
            check(!writer.busy(), "idle");
        }
        check(writer.start({folder + "/none", folder + "/none/.new", folder + "/none/x", "x", {}}),
              "takes a job");
        check(writer.wait().error == ENOENT, "a folder that is not there");
        writer.start({folder, folder + "/.new", folder + "/last", content, {}});
    }
    std::FILE* file = std::fopen((folder + "/last").c_str(), "rb");
    check(file != nullptr, "the end waits for the job under way");
    if (file == nullptr) return;
    std::string read(content.size() + 1, '\0');
    check(std::fread(read.data(), 1, read.size(), file) == content.size(), "all of it");
    std::fclose(file);
}

}  // namespace

int main() {
    char folder[] = "/tmp/test_file_writer.XXXXXX";
    check(mkdtemp(folder) != nullptr, "a folder for the test");
    test_order();
    test_short_and_interrupted_writes();
    test_thread(folder);
    for (const char* name : {"/file-48", "/file-49", "/last"}) {
        check(::unlink((folder + std::string(name)).c_str()) == 0,
              std::string(name) + " was there");
    }
    check(::rmdir(folder) == 0, "and nothing else");
    std::printf("%s\n", failures ? "FAILED" : "files: passed");
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
