// The fare of a ride by the model in the page, and by a server where one is named.
window.farelite = (() => {
  const about = JSON.parse(document.getElementById('about').textContent);
  const element = (id) => document.getElementById(id);
  const [header] = document.getElementsByTagName('header');
  const money = new Intl.NumberFormat('en', { style: 'currency', currency: about.currency });
  const duration = (us) => (us < 1000 ? `${us.toPrecision(3)} µs` : `${(us / 1000).toPrecision(3)} ms`);

  // Of a script element, whose text is not needed a second time.
  function taken(id) {
    const script = element(id);
    const bytes = Uint8Array.from(atob(script.textContent), (sign) => sign.charCodeAt(0));
    script.remove();
    return bytes;
  }

  async function unpacked(bytes) {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  // A lite file, compiled. A ride has a number by name of each input, NaN where it is missing.
  class Model {
    constructor(compiled) {
      this.compiled = compiled;
      this.inputs = compiled.getInputDetails();
    }

    set(ride) {
      return this.inputs.map(({ name, dtype }) => {
        const kind = dtype === 'int32' ? Int32Array : Float32Array;
        return new LiteRt.Tensor(kind.of(ride[name]), [1]);
      });
    }

    run(tensors) {
      return this.compiled.run(tensors);
    }

    get([output]) {
      return output.toTypedArray()[0];
    }

    async fare(ride) {
      const tensors = this.set(ride);
      const outputs = await this.run(tensors);
      const fare = this.get(outputs);
      free(tensors, outputs);
      return fare;
    }
  }

  function free(...lists) {
    lists.flat().forEach((tensor) => tensor.delete());
  }

  async function load() {
    const [wasm, file] = await Promise.all([unpacked(taken('wasm')), unpacked(taken('model'))]);
    const model = new Model(await LiteRt.compile(wasm, file));
    const lacking = model.inputs.filter(({ name }) => !about.fields.some((field) => field.name === name));
    if (lacking.length) throw new Error(`the model takes ${lacking[0].name}, which its manifest does not name`);
    return model;
  }

  async function checked(model) {
    const { rides, fares, tolerance } = about.golden;
    const found = [];
    for (let place = 0; place < fares.length; place += 1) {
      const ride = Object.fromEntries(Object.entries(rides).map(([name, column]) => [name, column[place] ?? NaN]));
      found.push(await model.fare(ride));
    }
    const differences = found.map((fare, place) => Math.abs(fare - Math.fround(fares[place])));
    const wrong = differences.filter((difference) => !(difference <= tolerance)).length;
    const largest = Math.max(...differences);
    element('golden').tBodies[0].replaceChildren(...found.map((fare, place) => row(
      [place, fares[place].toFixed(4), fare.toFixed(4), differences[place] ? differences[place].toPrecision(2) : 'none'],
      differences[place] <= tolerance ? '' : 'bad',
    )));
    return { count: fares.length, wrong, largest };
  }

  function row([name, ...cells], kind = '') {
    const made = document.createElement('tr');
    const head = made.appendChild(document.createElement('th'));
    head.textContent = name;
    head.scope = 'row';
    for (const text of cells) {
      const cell = made.insertCell();
      cell.textContent = text;
      cell.className = `number ${kind}`;
    }
    return made;
  }

  // Median microseconds of a ride over rounds, by part. Clocks of browsers are coarse, so many rides are one reading.
  async function measure(ride, rounds = 9, calls = 300) {
    const model = await ready;
    const parts = { set: [], run: [], get: [], whole: [] };
    const clock = () => performance.now() * 1000;
    for (let round = 0; round <= rounds; round += 1) {
      const made = [];
      let start = clock();
      for (let call = 0; call < calls; call += 1) made.push(model.set(ride));
      const set = (clock() - start) / calls;
      const given = [];
      start = clock();
      for (let call = 0; call < calls; call += 1) given.push(await model.run(made[call]));
      const run = (clock() - start) / calls;
      start = clock();
      for (let call = 0; call < calls; call += 1) model.get(given[call]);
      const get = (clock() - start) / calls;
      free(made.flat(), given.flat());
      start = clock();
      for (let call = 0; call < calls; call += 1) await model.fare(ride);
      const whole = (clock() - start) / calls;
      // The first round warms up.
      if (round) Object.entries({ set, run, get, whole }).forEach(([part, time]) => parts[part].push(time));
    }
    const middle = (times) => times.sort((a, b) => a - b)[times.length >> 1];
    return Object.fromEntries(Object.entries(parts).map(([part, times]) => [part, middle(times)]));
  }

  const form = element('ride');
  const seconds = (text) => (Date.parse(`${text}Z`) - Date.parse(`${about.epoch}Z`)) / 1000;

  function shown(ride) {
    for (const { name, kind } of about.fields) {
      const value = ride[name] ?? NaN;
      const written = kind === 'time' ? new Date(value * 1000 + Date.parse(`${about.epoch}Z`)).toISOString().slice(0, 19) : Number(value.toFixed(6));
      form.elements[name].value = Number.isNaN(value) ? '' : written;
    }
  }

  function read() {
    const number = (text) => (text === '' ? NaN : Number(text));
    return Object.fromEntries(about.fields.map(({ name, kind }) => {
      const text = form.elements[name].value;
      return [name, kind === 'time' ? seconds(text) : number(text)];
    }));
  }

  // What is wrong with a field, in a sentence; empty where nothing is.
  function problem() {
    const wrong = about.fields.find(({ name }) => !form.elements[name].validity.valid);
    if (!wrong) return '';
    const { validity } = form.elements[wrong.name];
    if (validity.valueMissing) return `${wrong.label} may not be missing.`;
    if (validity.badInput) return `${wrong.label} is no ${wrong.kind === 'time' ? 'time' : 'number'}.`;
    return `${wrong.label} is not from ${wrong.low} to ${wrong.high}, as in all rides that the model learned from.`;
  }

  let latest = 0;

  async function update() {
    const turn = (latest += 1);
    const model = await ready;
    const ride = read();
    element('problem').textContent = problem();
    const known = form.checkValidity();
    if (!known) {
      ['device', 'server'].forEach((place) => tell(place, '–', ''));
      return;
    }
    const fare = await model.fare(ride);
    if (turn !== latest) return;
    tell('device', money.format(fare), '');
    // A browser compiles twice, the second time what is called often; clocks are coarse, so rounds are of many rides.
    let best = Infinity;
    for (let round = 0; round < 10; round += 1) {
      const start = performance.now();
      for (let call = 0; call < 50; call += 1) await model.fare(ride);
      best = Math.min(best, (performance.now() - start) * 20);
      if (turn !== latest) return;
    }
    tell('device', money.format(fare), `${duration(best)} a ride`);
    if (about.server) await ask(ride, fare, turn);
  }

  function tell(place, fare, note) {
    if (!element(`${place}-fare`)) return;
    element(`${place}-fare`).textContent = fare;
    element(`${place}-time`).textContent = note || '\u00a0';
  }

  function sentence(text) {
    try {
      return JSON.parse(text).error ?? text.slice(0, 200);
    } catch {
      return text.slice(0, 200);
    }
  }

  async function ask(ride, fare, turn) {
    const instance = Object.fromEntries(Object.entries(ride).map(([name, value]) => [name, Number.isNaN(value) ? null : value]));
    const request = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ instances: [instance] }) };
    try {
      // The first one opens the connection.
      const times = [];
      let answer;
      for (let call = 0; call < 4; call += 1) {
        const start = performance.now();
        const response = await fetch(about.server, request);
        const text = await response.text();
        times.push(performance.now() - start);
        if (turn !== latest) return;
        if (!response.ok) throw new Error(`refused (${response.status}): ${sentence(text)}`);
        answer = JSON.parse(text).predictions?.[0];
      }
      if (typeof answer !== 'number') throw new Error('the answer has no number in "predictions"');
      const difference = Math.abs(answer - fare);
      const apart = difference <= about.golden.tolerance ? '' : `, ${money.format(difference)} apart`;
      tell('server', money.format(answer), `${duration(Math.min(...times.slice(1)) * 1000)} a request${apart}`);
    } catch (error) {
      // A browser does not tell a page why a request got no answer.
      const silent = `no answer: it does not run, or not with farelite serve --allow-origin ${self.origin}`;
      const why = error instanceof TypeError ? silent : error.message;
      if (turn === latest) tell('server', '–', why);
    }
  }

  // Longitudes and latitudes on a plane: x to the east, y to the south.
  function plane() {
    const { west, east, south, north } = about.map;
    const scale = 600 / (east - west);
    const steep = scale / Math.cos(((south + north) / 2) * (Math.PI / 180));
    return {
      height: (north - south) * steep,
      at: (longitude, latitude) => [(longitude - west) * scale, (north - latitude) * steep],
      back: (x, y) => [x / scale + west, north - y / steep],
      kilometre: steep / 111.2,
    };
  }

  function drawn(kind, attributes, text = '') {
    const made = document.createElementNS('http://www.w3.org/2000/svg', kind);
    Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, value));
    made.textContent = text;
    return made;
  }

  function map() {
    const svg = element('map');
    const { height, at, back, kilometre } = plane();
    svg.setAttribute('viewBox', `0 0 600 ${height}`);
    for (const corners of about.areas) {
      svg.append(drawn('polygon', { class: 'area', points: corners.map((corner) => at(...corner).join()).join(' ') }));
    }
    for (const { name, longitude, latitude } of about.places) {
      const [x, y] = at(longitude, latitude);
      svg.append(drawn('circle', { class: 'place', cx: x, cy: y, r: 3 }));
      svg.append(drawn('text', { class: 'label', x: x + 6, y: y + 4 }, name));
    }
    const bar = [50, 20, 10, 5, 2, 1, 0.5].find((length) => length * kilometre <= 200) ?? 0.5;
    svg.append(drawn('path', { class: 'axis', d: `M12 ${height - 12}h${bar * kilometre}`, 'stroke-width': 2 }));
    svg.append(drawn('text', { class: 'label', x: 12, y: height - 18 }, `${bar} km`));
    const way = svg.appendChild(drawn('line', { class: 'way' }));
    const ends = about.ends.map((names, place) => ({
      names,
      dot: svg.appendChild(drawn('circle', { class: 'end fill', r: 11, style: `--color: var(--s${place})` })),
    }));
    const position = ({ names }) => names.map((name) => (form.elements[name].value === '' ? NaN : Number(form.elements[name].value)));

    function draw() {
      const points = ends.map((end) => at(...position(end)));
      const there = points.map((point) => point.every(Number.isFinite));
      ends.forEach(({ dot }, place) => {
        dot.setAttribute('visibility', there[place] ? 'visible' : 'hidden');
        if (there[place]) ['cx', 'cy'].forEach((name, axis) => dot.setAttribute(name, points[place][axis]));
      });
      way.setAttribute('visibility', there.every(Boolean) ? 'visible' : 'hidden');
      if (there.every(Boolean)) ['x1', 'y1', 'x2', 'y2'].forEach((name, axis) => way.setAttribute(name, points.flat()[axis]));
    }

    let moved = null;
    function move(event) {
      const box = svg.getBoundingClientRect();
      const [x, y] = [((event.clientX - box.left) / box.width) * 600, ((event.clientY - box.top) / box.height) * height];
      // A missing end is put where the map is tapped; else the nearer one moves.
      const far = (end) => {
        const [a, b] = at(...position(end));
        return Number.isFinite(a + b) ? Math.hypot(a - x, b - y) : -1;
      };
      moved ??= far(ends[0]) <= far(ends[1]) ? ends[0] : ends[1];
      back(Math.min(600, Math.max(0, x)), Math.min(height, Math.max(0, y))).forEach((degrees, axis) => {
        form.elements[moved.names[axis]].value = degrees.toFixed(5);
      });
      form.dispatchEvent(new Event('input'));
    }
    svg.addEventListener('pointerdown', (event) => {
      svg.setPointerCapture(event.pointerId);
      move(event);
    });
    svg.addEventListener('pointermove', (event) => moved && move(event));
    ['pointerup', 'pointercancel'].forEach((name) => svg.addEventListener(name, () => { moved = null; }));
    form.addEventListener('input', draw);
    draw();
  }

  // Where rides come by the ids of zones: a choice puts an end to the middle of its zone, as it was when the model learned.
  function zones() {
    about.ends.forEach((names, place) => {
      const choice = element(`${['pickup', 'dropoff'][place]}_zone`);
      if (!choice) return;
      const [longitude, latitude] = names.map((name) => form.elements[name]);
      const fits = (zone) => {
        const middle = about.zones[zone];
        if (!middle) return middle === null && longitude.value === '' && latitude.value === '';
        return [longitude, latitude].every(({ value }, axis) => value !== '' && Math.abs(value - middle[axis]) < 1e-5);
      };
      const follow = () => {
        if (!fits(choice.value)) choice.value = Object.keys(about.zones).find(fits) ?? '';
      };
      choice.addEventListener('input', () => {
        if (choice.value === '') return;
        [longitude, latitude].forEach((field, axis) => { field.value = about.zones[choice.value]?.[axis] ?? ''; });
      });
      form.addEventListener('input', follow);
      follow();
    });
  }

  about.ends.flat().forEach((name) => form.elements[name].closest('label').classList.add('pair'));
  form.addEventListener('submit', (event) => event.preventDefault());
  shown(about.first);
  zones();
  map();
  const ready = load();
  const golden = ready.then(checked);
  golden.then(({ count, wrong, largest }) => {
    header.classList.add(wrong ? 'wrong' : 'right');
    element('state').textContent = wrong
      ? `${wrong} of ${count} golden rides have another fare here: don't rely on what this page shows.`
      : `Right here: all ${count} golden rides have ${largest ? `their fare, within ${largest.toPrecision(2)}` : 'exactly their fare'}.`;
    element('measure').disabled = false;
    form.addEventListener('input', update);
    return update();
  }).catch((error) => {
    header.classList.add('wrong');
    element('state').textContent = `The model can't be run here: ${error.message ?? error}.`;
  });
  element('measure').addEventListener('click', async () => {
    element('measure').disabled = true;
    const found = await measure(read());
    const names = { set: 'inputs set', run: 'run', get: 'fare taken', whole: 'all, tensors freed' };
    element('costs').tBodies[0].replaceChildren(...Object.entries(found).map(([part, us]) => row([names[part], us.toFixed(1)])));
    element('costs').hidden = false;
    element('measure').disabled = false;
  });
  return { golden, measure: () => measure(read()), update, fare: async (ride) => (await ready).fare(ride) };
})();
