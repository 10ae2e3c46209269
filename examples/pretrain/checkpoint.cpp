#include "checkpoint.hpp"

#include <zlib.h>

#include <cstring>
#include <string_view>
#include <type_traits>

#include "error.hpp"
#include "files.hpp"

namespace pretrain {
namespace {

constexpr char magic[8] = {'S', 'E', 'L', 'F', 'S', 'A', 'M', 'E'};
constexpr std::uint32_t version = 2;
constexpr std::uint32_t byte_order = 0x01020304;  // written natively: a file of another byte order does not match

struct header {
    char magic[8];
    std::uint32_t version;
    std::uint32_t byte_order;
    std::uint64_t length;
    std::uint64_t checksum;
};
static_assert(sizeof(header) == 32);

/// The length goes into the checksum, so that no field of the header can be wrong unnoticed.
std::uint64_t checksum(std::string_view payload) {
    const std::uint64_t length = payload.size();
    const uLong seed = crc32_z(0, reinterpret_cast<const Bytef*>(&length), sizeof length);
    return crc32_z(seed, reinterpret_cast<const Bytef*>(payload.data()), payload.size());
}

template <class Value>
void put(std::string& out, const Value& value) {
    static_assert(std::is_trivially_copyable_v<Value>);
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_block(std::string& out, const void* data, std::size_t bytes) {
    put(out, static_cast<std::uint64_t>(bytes));
    out.append(static_cast<const char*>(data), bytes);
}

class reader {
  public:
    reader(std::string_view bytes, const std::string& origin) : bytes_(bytes), origin_(origin) {}

    std::string_view take(std::uint64_t count) {
        if (count > bytes_.size()) throw user_error("damaged checkpoint " + origin_ + ": its parts do not fit");
        const std::string_view part = bytes_.substr(0, count);
        bytes_.remove_prefix(count);
        return part;
    }
    template <class Value>
    Value get() {
        Value value;
        std::memcpy(&value, take(sizeof value).data(), sizeof value);
        return value;
    }
    std::string_view block() { return take(get<std::uint64_t>()); }

  private:
    std::string_view bytes_;
    const std::string& origin_;
};

}  // namespace

std::string encode(const checkpoint& state) {
    std::string payload;
    put_block(payload, state.settings.data(), state.settings.size());
    put(payload, state.step);
    put(payload, state.seconds);
    put_block(payload, state.losses.data(), state.losses.size() * sizeof(float));
    put_block(payload, state.model.data(), state.model.size());
    put_block(payload, state.objective.data(), state.objective.size());
    put_block(payload, state.optimizer.data(), state.optimizer.size());

    header front{};
    std::memcpy(front.magic, magic, sizeof magic);
    front.version = version;
    front.byte_order = byte_order;
    front.length = payload.size();
    front.checksum = checksum(payload);
    std::string bytes;
    bytes.reserve(sizeof front + payload.size());
    put(bytes, front);
    bytes += payload;
    return bytes;
}

checkpoint decode(const std::string& bytes, const std::string& origin) {
    header front{};
    if (bytes.size() < sizeof front) throw user_error("damaged checkpoint " + origin + ": shorter than its header");
    std::memcpy(&front, bytes.data(), sizeof front);
    if (std::memcmp(front.magic, magic, sizeof magic) != 0) throw user_error("not a checkpoint: " + origin);
    if (front.version != version || front.byte_order != byte_order) {
        throw user_error("checkpoint " + origin + " is of another version or machine");
    }
    const std::string_view payload = std::string_view(bytes).substr(sizeof front);
    if (front.length != payload.size()) {
        throw user_error("damaged checkpoint " + origin + ": " + std::to_string(payload.size()) + " bytes of " +
                         std::to_string(front.length));
    }
    if (front.checksum != checksum(payload)) throw user_error("damaged checkpoint " + origin + ": checksum differs");

    reader in(payload, origin);
    checkpoint state;
    state.settings = in.block();
    state.step = in.get<std::int64_t>();
    state.seconds = in.get<double>();
    const std::string_view losses = in.block();
    state.losses.resize(losses.size() / sizeof(float));
    std::memcpy(state.losses.data(), losses.data(), state.losses.size() * sizeof(float));
    state.model = in.block();
    state.objective = in.block();
    state.optimizer = in.block();
    return state;
}

void save(const checkpoint& state, const std::filesystem::path& path) { write_file_atomically(path, encode(state)); }

std::optional<checkpoint> load(const std::filesystem::path& path) {
    if (!std::filesystem::exists(path)) return std::nullopt;
    return decode(read_file(path), path.string());
}

}  // namespace pretrain
