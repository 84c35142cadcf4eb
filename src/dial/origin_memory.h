// OriginMemory: which origins spoke HTTP/3 and which did not, kept across runs, so that `--http auto` need
// not wait for an answer that did not come the last time.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::dial {

class OriginMemory {
 public:
  /// Unix time, seconds.
  using Seconds = std::int64_t;
  static constexpr Seconds broken_for = 300;  ///< then HTTP/3 is tried first again
  static constexpr Seconds works_for = 7 * 24 * 3600;

  /// true: HTTP/3 worked; false: it did not; nullopt: not known any more.
  std::optional<bool> http3(const std::string& origin, Seconds now) const;
  /// How an attempt went.
  void note(const std::string& origin, bool http3_works, Seconds now);
  /// What a response over TCP said in its Alt-Svc field (RFC 7838). Does not outweigh an attempt that failed:
  /// a server may offer HTTP/3 behind something that blocks UDP.
  void note_alt_svc(const std::string& origin, std::uint16_t port, std::string_view value, Seconds now);

  /// A missing file is an empty memory.
  Result<> load(const std::string& path);
  Result<> save(const std::string& path) const;

 private:
  struct Entry {
    bool works = false;
    Seconds until = 0;
  };
  std::map<std::string, Entry> entries_;
};

}  // namespace sallyport::dial
