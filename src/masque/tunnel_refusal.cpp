#include "masque/tunnel_refusal.h"

#include <utility>

namespace sallyport::masque {
namespace {

void count(RefusedFor what, RefusalCounters& counters) {
  switch (what) {
    case RefusedFor::uncounted:
      return;
    case RefusedFor::policy:
      ++counters.refused_policy;
      return;
    case RefusedFor::limit:
      ++counters.refused_limit;
      return;
    case RefusedFor::malformed:
      ++counters.refused_malformed;
      return;
    case RefusedFor::loop:
      ++counters.refused_loop;
      return;
    case RefusedFor::failure:
      ++counters.failed;
  }
}

}  // namespace

TunnelRefusal target_refusal(Refusal answer) {
  const auto what = answer.status == 403 ? RefusedFor::policy : RefusedFor::failure;
  return {.what = what, .answer = std::move(answer)};
}

void refuse(http::Exchange& exchange, std::string_view proxy, const TunnelRefusal& refusal,
            RefusalCounters& counters) {
  count(refusal.what, counters);
  http::Response response = refusal_head(proxy, refusal.answer);
  for (const http::Fields::Field field : refusal.fields) response.fields.add(field.name, field.value);
  exchange.respond(response, true);
  exchange.stop_reading();
}

}  // namespace sallyport::masque
