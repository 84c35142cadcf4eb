// For tests: PROXY headers of version 2.
#pragma once

#include <string>

namespace sallyport::net::test {

/// `command`: with the version; `family`: with the transport; `rest`: addresses and TLVs.
inline std::string proxy_v2(int command, int family, const std::string& rest) {
  std::string header("\r\n\r\n\0\r\nQUIT\n", 12);
  header += static_cast<char>(command);
  header += static_cast<char>(family);
  header += static_cast<char>(rest.size() >> 8);
  header += static_cast<char>(rest.size() & 0xff);
  return header + rest;
}

}  // namespace sallyport::net::test
