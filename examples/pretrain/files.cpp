#include "files.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>

#include "error.hpp"

namespace pretrain {
namespace {

[[noreturn]] void fail(const char* action, const std::filesystem::path& path, int code) {
    throw user_error(std::string("cannot ") + action + " " + path.string() + ": " + std::strerror(code));
}

class file_descriptor {
  public:
    explicit file_descriptor(int number) : number_(number) {}
    ~file_descriptor() {
        if (number_ >= 0) ::close(number_);
    }
    file_descriptor(const file_descriptor&) = delete;
    file_descriptor& operator=(const file_descriptor&) = delete;

    [[nodiscard]] int get() const { return number_; }
    int close() {
        const int result = ::close(number_);
        number_ = -1;
        return result;
    }

  private:
    int number_;
};

void write_and_flush(const std::filesystem::path& path, std::string_view bytes) {
    file_descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (file.get() < 0) fail("write", path, errno);
    while (!bytes.empty()) {
        const ssize_t written = ::write(file.get(), bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) fail("write", path, errno);
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    if (::fsync(file.get()) != 0) fail("write", path, errno);
    if (file.close() != 0) fail("write", path, errno);
}

}  // namespace

std::string read_file(const std::filesystem::path& path) {
    file_descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() < 0) fail("read", path, errno);
    std::string bytes;
    char block[1 << 16];
    for (;;) {
        const ssize_t count = ::read(file.get(), block, sizeof block);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) fail("read", path, errno);
        if (count == 0) return bytes;
        bytes.append(block, static_cast<std::size_t>(count));
    }
}

std::vector<std::uint8_t> read_file_or_gzip(const std::filesystem::path& path, std::size_t limit) {
    errno = 0;
    const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
    if (!file) fail("read", path, errno == 0 ? ENOMEM : errno);
    std::vector<std::uint8_t> bytes;
    std::uint8_t block[1 << 16];
    for (;;) {
        const int count = gzread(file.get(), block, sizeof block);
        if (count == 0) break;
        if (count > 0) bytes.insert(bytes.end(), block, block + count);
        if (count < 0 || bytes.size() > limit) break;
    }
    // A stream that ends before its trailer reads as end of file: only the error state tells.
    int code = Z_OK;
    const char* message = gzerror(file.get(), &code);
    if (code == Z_ERRNO) fail("read", path, errno);
    if (code != Z_OK && code != Z_STREAM_END) {
        throw user_error("damaged gzip file " + path.string() + ": " + message);
    }
    if (bytes.size() > limit) throw user_error("damaged file " + path.string() + ": longer than its kind can be");
    return bytes;
}

void write_file_atomically(const std::filesystem::path& path, std::string_view bytes) {
    const std::filesystem::path temporary = path.string() + ".partial";
    try {
        write_and_flush(temporary, bytes);
        if (::rename(temporary.c_str(), path.c_str()) != 0) fail("write", path, errno);
    } catch (...) {
        ::unlink(temporary.c_str());
        throw;
    }
    const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
    const file_descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.get() >= 0) ::fsync(directory.get());
}

void make_folder(const std::filesystem::path& path) {
    std::error_code code;
    std::filesystem::create_directories(path, code);
    if (code) fail("create folder", path, code.value());
    if (!std::filesystem::is_directory(path)) fail("create folder", path, ENOTDIR);
}

}  // namespace pretrain
