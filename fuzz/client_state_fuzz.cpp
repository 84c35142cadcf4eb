// What a client finds of its earlier runs, damaged or made by somebody else, by the first byte: the memory of
// origins, the state of a download that was cut, and an Alt-Svc field on its way to the memory.
#include "base/bytes.h"
#include "client/output.h"
#include "dial/origin_memory.h"
#include "memory_file.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace {

using namespace sallyport;

constexpr const char* url = "https://a.test/file";
constexpr std::uint64_t kept = 4096;

void require(bool condition) {
  if (!condition) std::abort();
}

void try_origins(const std::uint8_t* data, std::size_t size) {
  static MemoryFile file;
  dial::OriginMemory memory;
  const auto loaded = memory.load(file.with(data, size));
  require(loaded || loaded.error().message.find('\n') == std::string::npos);
  memory.http3("a.test:443", 1000);
  memory.note("a.test:443", false, 1000);
  require(memory.http3("a.test:443", 1000 + dial::OriginMemory::broken_for - 1) == false);
  require(!memory.http3("a.test:443", 1000 + dial::OriginMemory::broken_for));
}

void try_alt_svc(const std::uint8_t* data, std::size_t size) {
  dial::OriginMemory memory;
  memory.note("blocked.test:443", false, 1000);
  for (const char* origin : {"a.test:443", "blocked.test:443"})
    memory.note_alt_svc(origin, 443, as_text({data, size}), 1000);
  // Whatever a server says, an attempt that failed counts, or is forgotten; and nothing is kept for longer
  // than that.
  require(memory.http3("blocked.test:443", 1000) != true);
  require(!memory.http3("a.test:443", 1000 + dial::OriginMemory::works_for));
}

/// A folder of this process, removed at its end.
struct Folder {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("sallyport-fuzz-" + std::to_string(::getpid()));
  Folder() { std::filesystem::create_directory(path); }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};

void try_part(const std::uint8_t* data, std::size_t size) {
  static const Folder folder;
  const std::string path = folder.path / "file";
  std::ofstream(path + ".part.json", std::ios::binary)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  std::ofstream(path + ".part").close();
  std::filesystem::resize_file(path + ".part", kept);
  const auto output = client::open_output(path, url, true);
  require(output.has_value());
  const client::PartState state = (*output)->earlier();
  if (state.done.empty()) return;
  // Ranges in order, apart, and no more than the file holds.
  std::uint64_t end = 0;
  bool first = true;
  for (const client::ByteRange& range : state.done) {
    require(range.begin < range.end && (first || range.begin > end));
    end = range.end;
    first = false;
  }
  require(end <= state.size && end <= kept);
  std::uint64_t missing = 0;
  for (const client::ByteRange& range : client::missing_ranges(state.done, state.size))
    missing += range.size();
  require(missing < state.size);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  switch (data[0] % 3) {
    case 0:
      try_origins(data + 1, size - 1);
      break;
    case 1:
      try_part(data + 1, size - 1);
      break;
    default:
      try_alt_svc(data + 1, size - 1);
      break;
  }
  return 0;
}
