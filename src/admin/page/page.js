// Keeps the page live, shows local times, and sends what its forms ask for. The server draws everything: with each status that
// it sends, the page is taken again, and what differs is put in its place. Nothing here runs on text of the page.
'use strict'

const at = (id) => document.getElementById(id)

// --- times ---

// Beside each time in UTC the local one, where that is another.
function addLocalTimes(root) {
  for (const time of root.querySelectorAll('time[datetime]')) {
    const moment = new Date(time.getAttribute('datetime'))
    if (Number.isNaN(moment.getTime()) || moment.getTimezoneOffset() === 0) continue
    const local = document.createElement('span')
    local.className = 'local'
    local.textContent = ` (${moment.toLocaleTimeString([], { hour12: false })} local)`
    time.append(local)
  }
}

// --- live ---

// Makes `old` look like `fresh`, and touches only what differs: the focus and a half-read line stay.
function renew(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) return old.replaceWith(fresh)
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue
    return
  }
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name)
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value)
  if (old.tagName === 'INPUT') return
  const [before, after] = [[...old.childNodes], [...fresh.childNodes]]
  before.slice(after.length).forEach((node) => node.remove())
  after.forEach((node, place) => (place < before.length ? renew(before[place], node) : old.append(node)))
}

let fetching = false

async function refresh() {
  // one at a time: a slow answer is no reason to ask more
  if (fetching || document.hidden) return
  fetching = true
  try {
    const answer = await fetch('/', { cache: 'no-store' })
    if (!answer.ok) return
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html')
    addLocalTimes(fresh)
    document.title = fresh.title
    for (const part of ['header', 'main']) renew(document.querySelector(part), fresh.querySelector(part))
    isLive(true)
  } catch {
    isLive(false)
  } finally {
    fetching = false
  }
}

function isLive(live) {
  const state = at('live')
  state.textContent = live ? '● live' : '○ the run does not answer; as of'
  state.className = live ? 'state good' : 'state bad'
}

function listen() {
  const events = new EventSource('/events')
  events.addEventListener('status', refresh)
  events.addEventListener('error', () => isLive(false))
  document.addEventListener('visibilitychange', refresh)
}

// --- levers ---

let asked = null

function ask(form) {
  asked = form
  const token = sessionStorage.getItem('token')
  at('ask-title').textContent = `${form.dataset.verb}?`
  at('ask-happens').textContent = form.dataset.happens
  at('ask-go').textContent = form.dataset.verb
  at('ask-by').value = sessionStorage.getItem('by') ?? ''
  at('ask-reason').value = ''
  at('ask-token').value = ''
  at('ask-token-label').hidden = token !== null
  at('ask-fault').textContent = ''
  askValue(form)
  at('ask').showModal()
  at(form.dataset.key ? 'ask-value' : 'ask-reason').focus()
}

// A limit has a value, which the question takes.
function askValue(form) {
  at('ask-fields').replaceChildren()
  if (!form.dataset.key) return
  const [label, input] = [document.createElement('label'), document.createElement('input')]
  input.id = 'ask-value'
  input.value = form.dataset.value
  input.autocomplete = 'off'
  label.append(`Value of ${form.dataset.key}`, input)
  at('ask-fields').append(label)
}

// The form's JSON with who asks, when and why.
function body(form) {
  const by = at('ask-by').value.trim() || 'the page'
  const reason = at('ask-reason').value.trim()
  sessionStorage.setItem('by', by)
  const body = JSON.parse(form.dataset.body)
  if (body.lever) Object.assign(body.lever, { by, reason, at_ms: Date.now() })
  else Object.assign(body, { by, reason })
  if (form.dataset.key) body.set = { [form.dataset.key]: at('ask-value').value.trim() }
  return body
}

async function send(form) {
  const token = at('ask-token').value.trim() || sessionStorage.getItem('token')
  if (!token) return fault('The token is missing. It is the line in the file admin.token of state_dir.')
  try {
    const answer = await fetch(form.getAttribute('action'), {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body: JSON.stringify(body(form)),
    })
    const text = await answer.text()
    if (answer.status === 401) {
      sessionStorage.removeItem('token')
      at('ask-token-label').hidden = false
      return fault('The run does not know this token. Each run has a new one, in the file admin.token of its state_dir.')
    }
    sessionStorage.setItem('token', token)
    if (!answer.ok) return fault(refusal(text))
    at('ask').close()
    isDone(`Done: ${form.dataset.verb}.`)
    refresh()
  } catch {
    fault('The run does not answer. Nothing is known of what it did.')
  }
}

function isDone(words) {
  at('done').textContent = words
  setTimeout(() => (at('done').textContent = ''), 5000)
}

function refusal(text) {
  try {
    const { reason, advice } = JSON.parse(text)
    return advice ? `The run refuses: ${reason}. To do: ${advice}` : `The run refuses: ${reason}`
  } catch {
    return `The run refuses: ${text}`
  }
}

function fault(words) {
  at('ask-fault').textContent = words
  if (!at('ask-token-label').hidden) at('ask-token').focus()
}

document.addEventListener('submit', (event) => {
  const form = event.target
  event.preventDefault()
  if (form.classList.contains('ask')) ask(form)
  else if (at('ask').contains(form)) send(asked)
})
at('ask-cancel').addEventListener('click', () => at('ask').close())
at('ask').addEventListener('close', () => asked?.querySelector('button')?.focus())

addLocalTimes(document)
listen()
