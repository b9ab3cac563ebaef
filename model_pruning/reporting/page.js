// Copyright 2026 The model_pruning Authors.
// SPDX-License-Identifier: Apache-2.0
(() => {
  'use strict';
  const root = document.documentElement;
  const data = JSON.parse(document.getElementById('data').textContent);
  const byId = (id) => document.getElementById(id);
  root.classList.add('js');

  // ---- Light and dark. ----

  const dark = matchMedia('(prefers-color-scheme: dark)');
  try {
    const chosen = localStorage.getItem('model_pruning_theme');
    if (chosen === 'light' || chosen === 'dark') root.dataset.theme = chosen;
  } catch (error) { /* Files may have no storage. */ }
  byId('theme').addEventListener('click', () => {
    const now = root.dataset.theme || (dark.matches ? 'dark' : 'light');
    root.dataset.theme = now === 'dark' ? 'light' : 'dark';
    try { localStorage.setItem('model_pruning_theme', root.dataset.theme); } catch (error) { /* See above. */ }
  });

  // ---- Legends highlight the lines of charts. ----

  for (const item of document.querySelectorAll('[data-line]')) {
    const plot = item.closest('.chart').querySelector('.plot');
    const line = byId(item.dataset.line);
    const pick = (on) => { plot.classList.toggle('picking', on); line.classList.toggle('picked', on); };
    for (const name of ['mouseenter', 'focus']) item.addEventListener(name, () => pick(true));
    for (const name of ['mouseleave', 'blur']) item.addEventListener(name, () => pick(false));
  }

  const table = byId('table');
  if (!table) return;

  // ---- Sorting. Numbers sort by value; missing values come last. ----

  const body = table.tBodies[0];
  const rows = [...body.rows];
  const weightOf = (row) => data.weights[row.dataset.i];
  const natural = new Intl.Collator(undefined, {numeric: true});

  function sort(heading) {
    const key = heading.dataset.key;
    const was = heading.getAttribute('aria-sort');
    // Numbers start with the largest, names with the first; a third click restores the model's order.
    const orders = key === 'name' ? ['ascending', 'descending', null] : ['descending', 'ascending', null];
    const order = orders[(orders.indexOf(was) + 1) % 3];
    for (const other of table.tHead.querySelectorAll('[aria-sort]')) other.removeAttribute('aria-sort');
    if (order) heading.setAttribute('aria-sort', order);
    const sign = order === 'descending' ? -1 : 1;
    const value = (row) => {
      const found = weightOf(row)[key];
      return key === 'name' || found === null ? found : Number(found);
    };
    const missing = (found) => found === null || Number.isNaN(found);
    rows.sort((left, right) => {
      const place = left.dataset.i - right.dataset.i;
      if (!order) return place;
      const a = value(left), b = value(right);
      if (key === 'name') return sign * natural.compare(a, b) || place;
      if (missing(a) || missing(b)) return missing(a) - missing(b) || place;
      return sign * (a - b) || place;
    });
    body.append(...rows);
  }
  for (const button of table.tHead.querySelectorAll('button')) {
    button.addEventListener('click', () => sort(button.closest('th')));
  }

  // ---- Filtering. ----

  const field = byId('filter');
  const choices = [...document.querySelectorAll('[data-show]')];
  const kinds = {
    all: () => true, pruned: (weight) => weight.masked, dense: (weight) => !weight.masked,
    missed: (weight) => weight.met === false};
  let show = 'all';

  function matcher(text) {
    const expression = /^\/(.+)\/(i?)$/.exec(text);
    if (!expression) {
      const lower = text.toLowerCase();
      return (name) => name.toLowerCase().includes(lower);
    }
    try {
      const found = new RegExp(expression[1], expression[2]);
      return (name) => found.test(name);
    } catch (error) {
      return null;
    }
  }

  function filter() {
    const matches = matcher(field.value.trim());
    field.classList.toggle('wrong', !matches);
    field.setAttribute('aria-invalid', String(!matches));
    let number = 0;
    for (const row of rows) {
      const weight = weightOf(row);
      row.hidden = !(kinds[show](weight) && (!matches || matches(weight.name)));
      number += !row.hidden;
    }
    byId('shown').textContent = matches ? `${number.toLocaleString('en')} of ${rows.length.toLocaleString('en')} shown`
      : 'not a regular expression';
    document.querySelector('.empty').hidden = number > 0;
  }
  field.addEventListener('input', filter);
  for (const button of choices) {
    button.addEventListener('click', () => {
      show = button.dataset.show;
      for (const other of choices) other.setAttribute('aria-pressed', String(other === button));
      filter();
    });
  }
  filter();

  // ---- The panel of a weight. ----

  const panel = byId('panel');
  let open = null;

  function make(tag, text, className) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }
  const count = (number) => number === null ? '-' : number.toLocaleString('en');
  const fraction = (number) => number === null ? '-' : number.toFixed(4);

  function list(pairs) {
    const made = make('dl');
    for (const [name, value] of pairs) {
      if (value !== null && value !== undefined && value !== '-') made.append(make('dt', name), make('dd', String(value)));
    }
    return made;
  }

  function show_weight(row) {
    const weight = weightOf(row), more = weight.details;
    const before = open;
    open = row;
    if (before) before.classList.remove('open');
    row.classList.add('open');
    byId('panel-name').textContent = weight.name;
    const parts = [];
    const small = row.querySelector('.magnitudes svg');
    if (small) {
      const large = small.cloneNode(true);
      large.setAttribute('class', 'large');
      const axis = make('div', undefined, 'axis');
      axis.append(make('span', '0'), make('span', weight.threshold === null ? '' : `threshold ${Number(weight.threshold).toPrecision(3)}`),
        make('span', more.largest === null ? '' : `largest ${more.largest}`));
      const keys = make('p');
      keys.append(make('span', undefined, 'key k'), 'kept ', make('span', undefined, 'key p'),
        `pruned, by magnitude; logarithmic, up to ${count(more.most_in_bin)} in a bin`);
      parts.push(make('h3', 'Magnitudes'), large, axis, keys);
    }
    const picture = row.querySelector('.mask img');
    if (picture) {
      const large = picture.cloneNode();
      large.removeAttribute('width');
      large.removeAttribute('height');
      large.alt = `The mask of ${weight.name}`;
      const [height, width] = more.cell;
      parts.push(make('h3', 'Mask'), large, make('p', `Inputs go down, outputs across. ` + (height * width > 1
        ? `A cell is at least ${height} x ${width} elements; the darker, the more are kept.` : 'A dot is an element.')));
    }
    parts.push(make('h3', 'Numbers'), list([
      ['Shape', weight.shape.join(' x ')], ['Type', weight.dtype], ['Elements', count(weight.size)],
      ['Zeros', count(weight.zeros)], ['Sparsity', fraction(weight.sparsity)],
      ['Target', weight.target === null ? null : `${fraction(weight.target)}, ${weight.met ? 'met' : 'missed'}`],
      ['Pruned in', more.pruned_in], ['One threshold with', more.group],
      ['Outputs without a weight', more.dead_outputs ? `${count(more.dead_outputs)} of ${count(more.outputs)}` : null],
      ['Threshold', weight.threshold === null ? null : Number(weight.threshold).toPrecision(6)],
      ['Blocks', weight.block_sparsity === null || weight.block.join() === '1,1' ? null : `${weight.block.join('x')}, ${fraction(weight.block_sparsity)} all zero`],
      ['Bytes, dense', count(weight.bytes_dense)], ['Bytes, sparse', count(weight.bytes_sparse)],
      ['Bytes, gzipped', count(weight.bytes_gzipped)], ['FLOPs per example', count(weight.flops)],
      ['FLOPs, effective', count(weight.flops_effective)]]));
    if (more.tflite) {
      parts.push(make('h3', 'In TFLite'), list([
        ['Operation', more.tflite.op || 'unknown'], ['Skips zeros', more.tflite.skips.join(', ') || 'no'],
        ['Stored', more.tflite.stored]]));
      if (more.tflite.why) parts.push(make('p', `Why not: ${more.tflite.why}.`));
    }
    byId('panel-body').replaceChildren(...parts);
    byId('before').disabled = !neighbour(-1);
    byId('after').disabled = !neighbour(1);
    if (!panel.open) panel.showModal();
    panel.scrollTop = 0;
  }

  function neighbour(step) {
    const shown = rows.filter((row) => !row.hidden);
    return shown[shown.indexOf(open) + step];
  }
  function go(step) {
    const row = neighbour(step);
    if (row) show_weight(row);
  }

  body.addEventListener('click', (event) => {
    const row = event.target.closest('tr');
    if (row && !String(getSelection())) show_weight(row);
  });
  body.addEventListener('keydown', (event) => {
    const row = event.target.closest('tr');
    if (row && (event.key === 'Enter' || event.key === ' ')) {
      event.preventDefault();
      show_weight(row);
    }
  });
  byId('before').addEventListener('click', () => go(-1));
  byId('after').addEventListener('click', () => go(1));
  byId('close').addEventListener('click', () => panel.close());
  panel.addEventListener('click', (event) => { if (event.target === panel) panel.close(); });
  panel.addEventListener('keydown', (event) => {
    if (event.key === 'ArrowUp' || event.key === 'ArrowDown') {
      event.preventDefault();
      go(event.key === 'ArrowUp' ? -1 : 1);
    }
  });
  panel.addEventListener('close', () => {
    if (open) {
      open.classList.remove('open');
      open.focus({preventScroll: false});
    }
    open = null;
  });
})();
