'use strict';
// A table that is wider than its place says so; what is folded is open on paper.
{
  const look = (place) => place.classList.toggle('goes-on', place.scrollWidth > place.clientWidth + 1);
  const seen = new ResizeObserver((entries) => entries.forEach(({ target }) => look(target)));
  for (const place of document.querySelectorAll('.scroll')) {
    look(place);
    seen.observe(place);
  }
  let folded = [];
  addEventListener('beforeprint', () => {
    folded = [...document.querySelectorAll('details:not([open])')];
    for (const part of folded) part.open = true;
  });
  addEventListener('afterprint', () => {
    for (const part of folded) part.open = false;
  });
}
