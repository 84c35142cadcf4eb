// A client's ticket as it comes back from a file, and a NewSessionTicket message as a server sends it.
#include "tls/ticket.h"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  const Bytes input(data, size);
  tls::allows_early_data(input);
  const auto ticket = tls::parse_ticket(input);
  if (!ticket) return 0;
  // Views into the input that do not overlap, and something to resume by.
  std::size_t held = ticket->data.size();
  for (const Bytes certificate : ticket->chain) held += certificate.size();
  if (held > size || ticket->data.empty()) std::abort();
  if (ticket->data.data() + ticket->data.size() != data + size) std::abort();
  return 0;
}
