'use strict';
// Sorts a table by a click on a heading; what has no value stays last in both directions.
for (const table of document.querySelectorAll('table.sortable')) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener('click', () => sort(table, headings, column));
  });
}

function sort(table, headings, column) {
  const heading = headings[column];
  const direction = heading.getAttribute('aria-sort') === 'ascending' ? 'descending' : 'ascending';
  const sign = direction === 'ascending' ? 1 : -1;
  const body = table.tBodies[0];
  const keyed = [...body.rows].map((row) => ({ row, key: key(row.cells[column]) }));
  keyed.sort((a, b) => {
    if (a.key === null || b.key === null) return (a.key === null) - (b.key === null);
    return sign * (typeof a.key === 'number' ? a.key - b.key : a.key.localeCompare(b.key));
  });
  body.append(...keyed.map(({ row }) => row));
  for (const other of headings) other.removeAttribute('aria-sort');
  heading.setAttribute('aria-sort', direction);
  document.getElementById('announcement').textContent =
    `Sorted by ${heading.innerText.replace(/\s+/g, ' ').trim()}, ${direction}.`;
}

function key(cell) {
  if (cell.dataset.value !== undefined) return cell.dataset.value === '' ? null : Number(cell.dataset.value);
  return cell.textContent.trim() || null;
}
