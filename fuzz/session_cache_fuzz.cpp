// The file of tickets and tokens that a client keeps, damaged or made by somebody else.
#include "memory_file.h"
#include "tls/session_cache.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  static MemoryFile file;
  const std::string path = file.with(data, size);
  tls::SessionCache cache;
  const auto loaded = cache.load(path);
  if (!loaded) {
    // One line for a person, which names the file.
    const std::string& message = loaded.error().message;
    if (message.find(path) == std::string::npos || message.find('\n') != std::string::npos) std::abort();
  }
  if (const auto entry = cache.find("a.test:443"); entry && entry->ticket.empty()) std::abort();
  cache.take_token("a.test:443");
  if (!cache.take_token("a.test:443").empty()) std::abort();
  return 0;
}
