import { readFileSync, readdirSync } from 'node:fs'
const f = readdirSync('/tmp/prof').filter(x=>x.endsWith('.cpuprofile')).map(x=>'/tmp/prof/'+x).pop()!
const p = JSON.parse(readFileSync(f,'utf8'))
const self = new Map<string, number>()
const total = p.timeDeltas.reduce((a:number,b:number)=>a+b,0)
const byId = new Map(p.nodes.map((n:any)=>[n.id,n]))
p.samples.forEach((id:number,i:number)=>{const n:any=byId.get(id); const k=n.callFrame.functionName+' '+n.callFrame.url.split('/').pop()+':'+n.callFrame.lineNumber; self.set(k,(self.get(k)??0)+p.timeDeltas[i])})
for (const [k,v] of [...self].sort((a,b)=>b[1]-a[1]).slice(0,24)) console.log((v/total*100).toFixed(1)+'%', k)
